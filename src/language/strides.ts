/** Work in strides, each of them short: whoever does it may let others in between, and gets what it comes to at the end. */
export type Strides<T> = Generator<undefined, T, undefined>

/** Does work to its end without a pause, for whoever has nobody to let in. */
export function runAtOnce<T>(work: Strides<T>): T {
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
  }
}
