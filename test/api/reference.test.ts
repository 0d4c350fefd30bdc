import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { afterwards } from '../support/afterwards.ts'
import { startTestGateway } from '../support/gateway.ts'

const gateway = await startTestGateway()
const { port } = new URL(gateway.url)

/** A proxy that serves the gateway below a prefix, which it strips; everything else is another application's. */
async function startPrefixProxy(prefix: string): Promise<string> {
  const proxy = createServer((req, res) => {
    const path = req.url?.startsWith(`${prefix}/`) ? req.url.slice(prefix.length) : null
    if (path === null) return res.writeHead(404).end('another application')
    request({ port, path, method: req.method, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(res)
    }).end()
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  afterwards(async () => {
    proxy.closeAllConnections()
    proxy.close()
  })
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${prefix}`
}

test.each(['', '/flo', '/tools/webhooks'])('the reference works behind a proxy that strips %j', async (prefix) => {
  const base = await startPrefixProxy(prefix)
  for (const start of ['/', '/docs', '/docs/']) {
    const page = await fetch(base + start)
    expect([start, page.status, page.url]).toEqual([start, 200, `${base}/docs`])
    const html = await page.text()
    const links = [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, link = '']) => new URL(link, page.url).href)
    expect(links).toHaveLength(4)
    for (const link of links) {
      expect(link).toContain(`${base}/docs/`)
      expect([link, (await fetch(link)).status]).toEqual([link, 200])
    }
    const script = await (await fetch(links.find((link) => link.endsWith('/start.js')) ?? '')).text()
    const [, spec = ''] = /url: '([^']+)'/.exec(script) ?? []
    const document = await fetch(new URL(spec, page.url))
    const { servers } = (await document.json()) as { servers: { url: string }[] }
    // What a reader of the document calls: the server, resolved against where the document is, and a path.
    const api = servers.map(({ url }) => `${new URL(url, document.url).href.replace(/\/$/, '')}/v1/clients`)
    expect(api).toEqual([`${base}/v1/clients`])
    const answer = await fetch(api[0] ?? '', { headers: { authorization: `Bearer ${gateway.adminKey}` } })
    expect(answer.status).toBe(200)
  }
})
