import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { sdkTypePages } from './sdk-types-page.ts'

// `npm run sdk:types` writes the types of the SDK; with --check it only tells whether they are fresh.

for (const [name, page] of Object.entries(sdkTypePages())) {
  const file = fileURLToPath(new URL(`../sdk/src/${name}`, import.meta.url))
  if (!process.argv.includes('--check')) writeFileSync(file, page)
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== page) {
    console.error(`sdk/src/${name} is stale: run \`npm run sdk:types\`, and commit what it writes with the schema.`)
    process.exitCode = 1
  }
}
