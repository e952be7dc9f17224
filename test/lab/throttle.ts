/** A TCP proxy with a narrow line towards a registry: what real networks are, and loopback is not. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Line {
  /** `127.0.0.1:port` */
  host: string
  /** Bytes that went towards the registry so far, heads of requests too. */
  sent(): number
  /** Resolves when so many bytes went towards the registry. */
  reached(bytes: number): Promise<void>
  close(): Promise<void>
}

/** Forwards to `target`; all connections together send at most `bytesPerSecond`. Answers are not slowed. */
export async function throttledLine(target: string, bytesPerSecond: number): Promise<Line> {
  const { hostname, port } = new URL(`http://${target}`)
  const sockets = new Set<Socket>()
  let sent = 0
  let freeAt = 0
  const waiting: { bytes: number; resolve: () => void }[] = []
  const server = createServer((client) => {
    const registry = connect(Number(port), hostname)
    for (const socket of [client, registry]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        registry.destroy()
      })
    }
    registry.pipe(client)
    client.on('data', (chunk) => {
      client.pause()
      freeAt = Math.max(freeAt, Date.now()) + (chunk.length / bytesPerSecond) * 1_000
      setTimeout(() => {
        sent += chunk.length
        for (const waiter of waiting) if (sent >= waiter.bytes) waiter.resolve()
        registry.write(chunk)
        client.resume()
      }, freeAt - Date.now())
    })
    client.on('end', () => registry.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: () => sent,
    reached: (bytes) =>
      new Promise((resolve) => {
        if (sent >= bytes) resolve()
        else waiting.push({ bytes, resolve })
      }),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
