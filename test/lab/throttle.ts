/** A TCP proxy with a narrow line to or from a registry: what real networks are, and loopback is not. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Line {
  /** `127.0.0.1:port` */
  host: string
  /** Bytes that went towards the registry so far, heads of requests too. */
  sent(): number
  /** Bytes that came back so far, heads of answers too. */
  received(): number
  /** Resolves when so many bytes went towards the registry. */
  reached(bytes: number): Promise<void>
  close(): Promise<void>
}

/**
 * Forwards to `target`. All connections together send at most `bytesPerSecond`: requests towards it, or answers from it; the
 * other direction is only counted.
 */
export async function throttledLine(
  target: string,
  bytesPerSecond: number,
  slow: 'requests' | 'answers' = 'requests',
): Promise<Line> {
  const { hostname, port } = new URL(`http://${target}`)
  const sockets = new Set<Socket>()
  let sent = 0
  let received = 0
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
    const forward = (from: Socket, to: Socket, isSlow: boolean, count: (bytes: number) => void) => {
      const pass = (chunk: Buffer) => {
        count(chunk.length)
        if (to.write(chunk)) from.resume()
        else to.once('drain', () => from.resume())
      }
      from.on('data', (chunk: Buffer) => {
        from.pause()
        if (!isSlow) return pass(chunk)
        freeAt = Math.max(freeAt, Date.now()) + (chunk.length / bytesPerSecond) * 1_000
        setTimeout(pass, freeAt - Date.now(), chunk)
      })
      from.on('end', () => to.end())
    }
    forward(client, registry, slow === 'requests', (bytes) => {
      sent += bytes
      for (const waiter of waiting) if (sent >= waiter.bytes) waiter.resolve()
    })
    forward(registry, client, slow === 'answers', (bytes) => {
      received += bytes
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: () => sent,
    received: () => received,
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
