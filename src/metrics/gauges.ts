import { Gauge, type Registry } from 'prom-client'

/** What a gauge shows at a scrape: one value, or one for each value of its label; null: nothing is known. */
export type GaugeReading = number | Readonly<Record<string, number>> | null

/** A gauge that is read at each scrape. One that cannot be read shows no sample, and the rest of the scrape stays whole. */
export function registerGauge(
  registry: Registry,
  { name, help, label }: { name: string; help: string; label?: string | undefined },
  read: () => GaugeReading | Promise<GaugeReading>,
): void {
  new Gauge({
    name,
    help,
    labelNames: label === undefined ? [] : [label],
    registers: [registry],
    async collect() {
      const reading = await readOrNull(read)
      // Without a label, `reset` would leave a 0 behind.
      if (label === undefined) this.remove()
      else this.reset()
      if (typeof reading === 'number') this.set(reading)
      else if (reading !== null && label !== undefined)
        for (const [value, count] of Object.entries(reading)) this.set({ [label]: value }, count)
    },
  })
}

async function readOrNull(read: () => GaugeReading | Promise<GaugeReading>): Promise<GaugeReading> {
  try {
    return await read()
  } catch {
    return null
  }
}
