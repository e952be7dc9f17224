import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readBody } from '../../lib/net/body.ts'
import type { Resolver } from '../../lib/net/guard.ts'
import { Http, type HttpOptions } from '../../lib/net/http.ts'
import { failure, serve, testLimits } from '../oci/server.ts'

function http(options: Partial<HttpOptions> = {}): Http {
  const made = new Http({ limits: testLimits, allowPrivate: true, insecure: true, ...options })
  onTestFinished(() => made.close())
  return made
}

const get = (url: string) => ({ method: 'GET', url: new URL(url) })

describe('the egress guard', () => {
  test.each([
    'localhost', '127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]', '127.0.0.1.', '１２７.0.0.1', '127。0。0。1', '0.0.0.0', '[::]', '0', '[0:0:0:0:0:0:0:1]',
  ])('opens no socket to loopback written as %s', async (host) => {
    const server = await serve((_, response) => response.end())
    const error = await failure(http({ allowPrivate: false }).send(get(`http://${host}:${server.port}/`)))
    expect(error.code).toBe('registry-not-allowed')
    expect(server.connections()).toBe(0)
  }) // biome-ignore format: a table

  test('never goes to link-local addresses, even where private ones are allowed', async () => {
    for (const host of ['169.254.169.254', '[fe80::1]', '[fd00:ec2::254]', '[::ffff:169.254.169.254]', '2852039166'])
      expect((await failure(http().send(get(`http://${host}/`)))).code).toBe('registry-not-allowed')
  })

  test('checks every address of a name and the one it connects to, however the DNS answers change', async () => {
    const server = await serve((_, response) => response.end())
    let asked = 0
    const rebinding: Resolver = async () =>
      asked++ % 2 === 0
        ? [{ address: '127.0.0.1', family: 4 }]
        : [
            { address: '8.8.8.8', family: 4 },
            { address: '127.0.0.1', family: 4 },
          ]
    const guarded = http({ allowPrivate: false, resolver: rebinding })
    for (let turn = 0; turn < 50; turn++) {
      const error = await failure(guarded.send(get(`http://rebind.example:${server.port}/`)))
      expect(error.code).toBe('registry-not-allowed')
    }
    expect(asked).toBe(50)
    expect(server.connections()).toBe(0)
  })

  test('connects to the address the resolver gave, with the name as Host', async () => {
    const server = await serve((_, response) => response.end('hello'))
    const resolver: Resolver = async () => [{ address: '127.0.0.1', family: 4 }]
    const answer = await http({ resolver }).send(get(`http://registry.example:${server.port}/`))
    expect((await readBody(answer.body, 10, 'it')).toString()).toBe('hello')
    expect(answer.peerIsPrivate).toBe(true)
    expect(server.seen[0]?.headers.host).toBe(`registry.example:${server.port}`)
  })

  test('refuses plain http without leave, and credentials in a URL', async () => {
    expect((await failure(http({ insecure: false }).send(get('http://127.0.0.1/')))).code).toBe('registry-not-allowed')
    expect((await failure(http().send(get('http://user:canary-userinfo-40b6@127.0.0.1/')))).code).toBe(
      'registry-not-allowed',
    )
  })
})

describe('time and aborts', () => {
  test('a server that accepts and never answers is a timeout', async () => {
    const server = await serve(() => {})
    const limits = { ...testLimits, registryRequestTimeoutMs: 30 }
    expect((await failure(http({ limits }).send(get(server.url)))).code).toBe('registry-timeout')
  })

  test('a TLS handshake that is never answered is a connect timeout', async () => {
    const silent = createTcpServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const { port } = silent.address() as AddressInfo
    const limits = { ...testLimits, registryConnectTimeoutMs: 30 }
    const error = await failure(http({ limits }).send(get(`https://127.0.0.1:${port}/`)))
    expect(error.code).toBe('registry-timeout')
    expect(error.message).toContain('could not be connected to')
  })

  test('a body that stands still is a timeout', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('half')
    })
    const answer = await http({ limits: { ...testLimits, registryIdleTimeoutMs: 30 } }).send(get(server.url))
    expect((await failure(readBody(answer.body, 10, 'the body'))).code).toBe('registry-timeout')
  })

  test('an abort ends the request and the body with its own reason', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/body') response.writeHead(200, { 'content-length': '10' }).write('half')
    })
    const reason = new Error('stopped by a person')
    const waiting = new AbortController()
    const pending = http().send({ ...get(server.url), signal: waiting.signal })
    await once(server.server, 'request')
    waiting.abort(reason)
    expect(await failure(pending)).toBe(reason)

    const reading = new AbortController()
    const answer = await http().send({ ...get(`${server.url}/body`), signal: reading.signal })
    const body = readBody(answer.body, 10, 'the body')
    reading.abort(reason)
    expect(await failure(body)).toBe(reason)
  })

  test('nobody at the port is a sentence', async () => {
    const server = await serve(() => {})
    await new Promise((resolve) => server.server.close(resolve))
    const error = await failure(http().send(get(server.url)))
    expect(error.code).toBe('registry-unavailable')
    expect(error.message).toContain('refused the connection')
  })
})

describe('bodies and sockets', () => {
  test('a body longer than its bound is not read on', async () => {
    const server = await serve((_, response) => response.end('x'.repeat(100)))
    const answer = await http().send(get(server.url))
    expect((await failure(readBody(answer.body, 99, 'the body'))).code).toBe('registry-invalid')
    expect(answer.body.destroyed).toBe(true)
  })

  test('a body cut in the middle is told as cut', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('half', () => response.destroy())
    })
    const answer = await http().send(get(server.url))
    expect((await failure(readBody(answer.body, 10, 'the body'))).code).toBe('connection-cut')
  })

  test('a kept-alive socket that died is replaced once, for requests that may be repeated', async () => {
    const server = await serve((request, response, count) => {
      if (count === 1) response.end('first')
      else if (count === 2) request.socket.resetAndDestroy()
      else response.end('again')
    })
    const client = http()
    await readBody((await client.send(get(server.url))).body, 10, 'it')
    const answer = await client.send(get(server.url))
    expect((await readBody(answer.body, 10, 'it')).toString()).toBe('again')
    expect(server.seen).toHaveLength(3)
  })

  test('a POST on a dead kept-alive socket is not repeated by itself', async () => {
    const server = await serve((request, response, count) => {
      if (count === 1) response.end('first')
      else request.socket.resetAndDestroy()
    })
    const client = http()
    await readBody((await client.send(get(server.url))).body, 10, 'it')
    const error = await failure(client.send({ method: 'POST', url: new URL(server.url), body: Buffer.from('x') }))
    expect(error.code).toBe('registry-unavailable')
    expect(server.seen).toHaveLength(2)
  })

  test('sockets are reused', async () => {
    const server = await serve((_, response) => response.end('ok'))
    const client = http()
    for (let turn = 0; turn < 5; turn++) await readBody((await client.send(get(server.url))).body, 10, 'it')
    expect(server.connections()).toBe(1)
  })

  test('a stream is sent with its length, at the pace of the server, byte for byte', async () => {
    const sent = Buffer.alloc(3_000_000, 'longshore')
    let received = Buffer.alloc(0)
    const server = await serve(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      received = Buffer.concat(chunks)
      response.end()
    })
    let counted = 0
    const body = {
      stream: Readable.from(
        (function* () {
          for (let at = 0; at < sent.length; at += 65_536) yield sent.subarray(at, at + 65_536)
        })(),
      ),
      length: sent.length,
      onBytes: (count: number) => {
        counted += count
      },
    }
    const answer = await http().send({ method: 'PUT', url: new URL(server.url), body })
    expect(answer.status).toBe(200)
    expect(answer.bodySent).toBe(true)
    expect(received.equals(sent)).toBe(true)
    expect(counted).toBe(sent.length)
    expect(server.seen[0]?.headers['content-length']).toBe('3000000')
  })

  test('an error of the sent stream is the error of the request, and the server never gets the end', async () => {
    const server = await serve((request) => void request.resume())
    const broken = new Error('the source broke')
    const stream = Readable.from(
      (function* () {
        yield Buffer.alloc(10)
        throw broken
      })(),
    )
    const sending = http().send({ method: 'PUT', url: new URL(server.url), body: { stream, length: 1_000 } })
    expect(await failure(sending)).toBe(broken)
  })

  test('an answer before the end of the upload stops the source', async () => {
    const server = await serve((_, response) => response.writeHead(413).end('no'))
    const stream = new Readable({
      read() {
        setImmediate(() => this.push(Buffer.alloc(1_000)))
      },
    })
    const answer = await http().send({ method: 'PUT', url: new URL(server.url), body: { stream, length: 1e9 } })
    expect(answer.status).toBe(413)
    expect(answer.bodySent).toBe(false)
    expect(stream.destroyed).toBe(true)
    expect((await readBody(answer.body, 10, 'it')).toString()).toBe('no')
  })
})

describe('a body that drips', () => {
  /** A byte every few milliseconds, for ever. */
  const dripping = async (more = 0) =>
    await serve((_, response) => {
      response.writeHead(200)
      if (more > 0) response.write(Buffer.alloc(more))
      const drip = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(drip))
    })

  test('ends as registry-timeout, which is worth another attempt (fault 25)', async () => {
    const server = await dripping()
    const limits = { ...testLimits, registryIdleTimeoutMs: 100 }
    const answer = await http({ limits }).send(get(`http://${server.host}/`))
    const error = await failure(readBody(answer.body, 1_000_000, 'it'))
    expect(error).toMatchObject({ code: 'registry-timeout', kind: 'transient' })
    expect(error.message).toMatch(/sent \d+ bytes of the body in 100 ms/)
  })

  test('is read on where it comes at the least rate', async () => {
    const server = await dripping()
    // A byte every 5 ms are 200 a second.
    const limits = { ...testLimits, registryIdleTimeoutMs: 100, registryBytesPerSecondMin: 50 }
    const answer = await http({ limits }).send(get(`http://${server.host}/`))
    expect((await failure(readBody(answer.body, 60, 'it'))).code).toBe('registry-invalid')
  })

  test('is not blamed for a reader that pauses', async () => {
    const server = await serve((_, response) => response.end(Buffer.alloc(4_000_000)))
    const limits = { ...testLimits, registryIdleTimeoutMs: 40, registryBytesPerSecondMin: 1_000_000_000 }
    const { body } = await http({ limits }).send(get(`http://${server.host}/`))
    let length = 0
    let pauses = 0
    body.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (pauses++ > 8) return
      body.pause()
      setTimeout(() => body.resume(), 20)
    })
    await once(body, 'end')
    expect(length).toBe(4_000_000)
  })
})
