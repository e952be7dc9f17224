/** A TCP proxy that lets an upload take its time, and tells how many bytes have gone to the target. */
import { connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'

export interface SlowProxy {
  host: string
  /** Bytes that clients have sent so far. */
  sent(): number
  /** Resolves once so many bytes have been sent since the start of the proxy, or when the signal aborts. */
  reached(bytes: number, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** `bytesPerSecond` per connection, from the client to the target. */
export async function slowProxy(target: string, bytesPerSecond: number): Promise<SlowProxy> {
  const [host, port] = target.split(':') as [string, string]
  const sockets = new Set<Socket>()
  const heard = new Set<() => void>()
  let sent = 0
  const server = createServer((client) => {
    const upstream = connect(Number(port), host)
    const slow = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        sent += chunk.length
        for (const listener of heard) listener()
        setTimeout(() => done(null, chunk), (1000 * chunk.length) / bytesPerSecond)
      },
    })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
        slow.destroy()
      })
    }
    slow.on('error', () => {})
    client.pipe(slow).pipe(upstream)
    upstream.pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as { port: number }).port}`,
    sent: () => sent,
    reached: (bytes, signal) =>
      new Promise((resolve) => {
        const look = () => {
          if (sent < bytes && !signal.aborted) return
          heard.delete(look)
          signal.removeEventListener('abort', look)
          resolve()
        }
        heard.add(look)
        signal.addEventListener('abort', look)
        look()
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
