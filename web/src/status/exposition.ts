/* Prometheus' text format, as far as the executor writes it. */
export interface Sample { name: string; labels: Record<string, string>; value: number }

export function samples(text: string): Sample[] {
  const found: Sample[] = [];
  for (const line of text.split("\n")) {
    const parts = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!parts) continue;
    const labels = Object.fromEntries([...(parts[2] ?? "").matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)]
      .map(([, name, value]) => [name, (value ?? "").replace(/\\(.)/g, (_, mark: string) => mark === "n" ? "\n" : mark)]));
    found.push({ name: parts[1] ?? "", labels, value: Number(parts[3]) });
  }
  return found;
}

/* For each value of a label, the sum of a metric. */
export function by(all: readonly Sample[], name: string, label: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const each of all) if (each.name === name) {
    const value = each.labels[label] ?? "";
    sums.set(value, (sums.get(value) ?? 0) + each.value);
  }
  return sums;
}

export const value = (all: readonly Sample[], name: string): number => all.find(each => each.name === name)?.value ?? 0;
