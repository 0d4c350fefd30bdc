import { fileURLToPath } from 'node:url'
import express, { type Router } from 'express'

// The package's folder: everything that the page needs is served from here, nothing from another host.
const ASSETS = fileURLToPath(new URL('.', import.meta.resolve('swagger-ui-dist/package.json')))
const SERVED = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']

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
  router.get('/docs', (_req, res) => {
    res.type('html').send(PAGE)
  })
  router.get('/docs/start.js', (_req, res) => {
    res.type('js').send(START)
  })
  for (const file of SERVED)
    router.get(`/docs/${file}`, (_req, res) => res.sendFile(file, { root: ASSETS, maxAge: '1 day' }))
  return router
}
