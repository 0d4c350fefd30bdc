import { readFileSync } from 'node:fs'
import express, { type Router } from 'express'
import { serveStatic } from '../network/static-content.ts'

// The package's folder: everything that the page needs is served from here, nothing from another host.
const ASSETS = new URL('.', import.meta.resolve('swagger-ui-dist/package.json'))
const SERVED = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}

const PAGE = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>flo-gateway API</title>
  <link rel="icon" href="docs/favicon-32x32.png">
  <link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
  <div id="reference"></div>
  <script src="docs/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
`
const START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#reference', deepLinking: true, docExpansion: 'none' })\n`

/**
 * The rendered reference, GET /docs, without a key. / redirects to it. Its links are relative to the page, as a browser knows it:
 * a proxy may have stripped a prefix.
 */
export function serveReference(): Router {
  const router = express.Router({ strict: true })
  router.get('/', (_req, res) => res.redirect('docs'))
  router.get('/docs/', (_req, res) => res.redirect('../docs'))
  router.use('/docs', (_req, res, next) => {
    // Swagger UI sets style attributes on its elements; scripts come only from here.
    res.setHeader(
      'content-security-policy',
      "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    )
    res.setHeader('x-content-type-options', 'nosniff')
    next()
  })
  router.get('/docs', serveStatic(PAGE, { 'content-type': 'text/html; charset=utf-8' }))
  router.get('/docs/start.js', serveStatic(START, { 'content-type': SERVED['swagger-ui-bundle.js'] }))
  // In memory: a file that is read for a connection that goes away meanwhile would stay open.
  for (const [file, type] of Object.entries(SERVED))
    router.get(
      `/docs/${file}`,
      serveStatic(readFileSync(new URL(file, ASSETS)), { 'content-type': type, 'cache-control': 'max-age=86400' }),
    )
  return router
}
