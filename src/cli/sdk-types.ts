import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { sdkTypesPage } from './sdk-types-page.ts'

// `npm run sdk:types` writes the types of the SDK; with --check it only tells whether they are fresh.

const file = fileURLToPath(new URL('../../sdk/src/events.ts', import.meta.url))
const page = sdkTypesPage()

if (!process.argv.includes('--check')) writeFileSync(file, page)
else if (readFileSync(file, 'utf8') !== page) {
  console.error('sdk/src/events.ts is stale: run `npm run sdk:types`, and commit what it writes with the schema.')
  process.exitCode = 1
}
