import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { catalogPage } from './catalog-page.ts'

// `npm run catalog` writes docs/catalog.md; with --check it only tells whether that is fresh.

const file = fileURLToPath(new URL('../docs/catalog.md', import.meta.url))
const page = catalogPage()

if (!process.argv.includes('--check')) writeFileSync(file, page)
else if (readWritten() !== page) {
  console.error('docs/catalog.md is stale: run `npm run catalog`, read what changed, and commit it with the mapping.')
  process.exitCode = 1
}

function readWritten(): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
