import { present } from './present.ts'

const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** A stream of random numbers that a seed determines. */
export interface Random {
  /** An integer from 0 up to, not including, `limit`. */
  below(limit: number): number
  /** Letters and digits, as Stripe's ids have them. */
  letters(length: number): string
  uuid(): string
}

/** The same seed gives the same stream, in every process. */
export function seededRandom(seed: string): Random {
  let state = hashText(seed)
  // mulberry32: 32 bits of state are plenty for a world of a few thousand objects.
  const nextInteger = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (limit: number) => Math.floor((nextInteger() / 2 ** 32) * limit)
  const letters = (length: number) => Array.from({ length }, () => LETTERS[below(LETTERS.length)]).join('')
  const randomHex = (length: number) => Array.from({ length }, () => below(16).toString(16)).join('')
  return {
    below,
    letters,
    uuid: () => `${randomHex(8)}-${randomHex(4)}-4${randomHex(3)}-a${randomHex(3)}-${randomHex(12)}`,
  }
}

/** Seconds as six letters that sort by time, as the ids of Stripe's newer objects begin. */
export function lettersOfTime(seconds: number): string {
  let text = ''
  for (let rest = seconds; text.length < 6; rest = Math.floor(rest / LETTERS.length))
    text = LETTERS[rest % LETTERS.length] + text
  return text
}

function hashText(text: string): number {
  let value = 2166136261
  for (const letter of text) value = Math.imul(value ^ present(letter.codePointAt(0)), 16777619)
  return value
}
