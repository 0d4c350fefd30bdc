/** For NODE_OPTIONS: lets a process of Node believe that it is so much later, before anything else is loaded. */
export const shiftedClock = (ms: number) =>
  `--import=data:text/javascript,${encodeURIComponent(
    `const Real = Date; globalThis.Date = class Date extends Real {
       constructor(...args) { args.length === 0 ? super(Real.now() + ${ms}) : super(...args) }
       static now() { return Real.now() + ${ms} }
     }`,
  )}`
