/** No page of a web site may use what listens here for our own processes alone. */
import type { Server } from 'node:http'

/**
 * Puts an answer of 403 before the server's own for every request with an `Origin`: browsers send one with each request that is
 * not a plain look, and an SDK never does.
 */
export function refuseBrowsers(server: Server): void {
  const own = server.listeners('request') as ((...args: unknown[]) => void)[]
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    if (request.headers.origin === undefined) for (const listener of own) listener.call(server, request, response)
    else {
      request.resume()
      response.writeHead(403, { 'content-type': 'text/plain' }).end('this address is not for browsers\n')
    }
  })
}
