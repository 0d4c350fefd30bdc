import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/postgres.ts',
    // Each file brings gateways, receivers and a database of its own, and mostly waits for them. A worker takes some 300 MB.
    maxWorkers: 3,
    // One process runs many files, and loads the gateway once: no module keeps state that a second file would see.
    isolate: false,
    // Only what hangs for good: `eventually` fails earlier, and knows how busy the machine is.
    testTimeout: 900_000,
    hookTimeout: 600_000,
  },
})
