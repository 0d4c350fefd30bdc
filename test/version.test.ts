import { expect, test } from 'vitest'
import { isPatchedNode } from '../src/version.ts'

test.each(['24.22.1', '24.22.3', '24.23.0', '26.12.1', '26.13.0', '27.0.0', '28.1.0'])(
  'Node %s has its security fixes',
  (node) => {
    expect(isPatchedNode(node)).toBe(true)
  },
)

test.each(['20.19.2', '22.22.2', '24.0.0', '24.21.0', '24.22.0', '25.9.0', '26.10.0', '26.12.0'])(
  'Node %s is told at the start',
  (node) => {
    expect(isPatchedNode(node)).toBe(false)
  },
)
