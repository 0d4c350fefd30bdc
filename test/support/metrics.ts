/** One line of /metrics. */
export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** What /metrics of a gateway shows, and its text. Throws unless it answers 200. */
export async function scrape(url: string, token?: string) {
  const response = await fetch(`${url}/metrics`, token ? { headers: { authorization: `Bearer ${token}` } } : {})
  const text = await response.text()
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}: ${text}`)
  const samples = text.split('\n').flatMap(sampleOf)
  return {
    text,
    samples,
    type: response.headers.get('content-type'),
    /** The sum of the samples of this name that have these labels; undefined: there is none. */
    value(name: string, labels: Record<string, string> = {}): number | undefined {
      const found = samples.filter(
        (sample) =>
          sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      )
      return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0)
    },
  }
}

function sampleOf(line: string): Sample[] {
  if (line === '' || line.startsWith('#')) return []
  const [, name, inner = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (!name) throw new Error(`not a line of Prometheus' text format: ${line}`)
  const labels = [...inner.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g)]
  return [{ name, labels: Object.fromEntries(labels.map(([, key, text]) => [key, text])), value: Number(value) }]
}
