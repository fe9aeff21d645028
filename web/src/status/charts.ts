/* Small charts as SVG, each with its figures in words for those who do not see it. */
const SVG = "http://www.w3.org/2000/svg";

function shape(tag: string, attributes: Record<string, string | number>, ...children: (Node | string)[]): SVGElement {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

function chart(width: number, height: number, words: string, ...shapes: SVGElement[]): SVGElement {
  return shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words, class: "chart" }, ...shapes);
}

/* One line of values over time; the newest at the right. */
export function line(values: readonly number[], most: number, room: number, words: string): SVGElement {
  const width = 300, height = 80, top = Math.max(most, 1);
  const x = (position: number): number => width - (values.length - 1 - position) * (width / (room - 1));
  const y = (value: number): number => height - 4 - (Math.min(value, top) / top) * (height - 20);
  const points = values.map((value, position) => `${x(position).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return chart(width, height, words,
    shape("line", { x1: 0, y1: height - 4, x2: width, y2: height - 4, class: "axis" }),
    shape("line", { x1: 0, y1: y(top), x2: width, y2: y(top), class: "bound" }),
    shape("text", { x: 0, y: y(top) - 4, class: "mark" }, String(top)),
    shape("polyline", { points, class: "curve" }));
}

/* A bar for each name, the longest first. */
export function bars(values: readonly (readonly [string, number, string])[], words: string): SVGElement {
  /* As wide as there is room for, so that its words keep their size. */
  const width = Math.max(Math.min(600, document.documentElement.clientWidth - 48), 240), row = 26, names = Math.min(210, width * 0.45), most = Math.max(...values.map(([, value]) => value), 1);
  return chart(width, Math.max(values.length, 1) * row, words, ...values.flatMap(([name, value, kind], position) => {
    const y = position * row, length = Math.max((value / most) * (width - names - 90), 2);
    return [
      shape("text", { x: 0, y: y + 17, class: "label" }, name),
      shape("rect", { x: names, y: y + 4, width: length, height: row - 9, rx: 3, class: kind }),
      shape("text", { x: names + length + 8, y: y + 17, class: "figure" }, Math.round(value).toLocaleString("en")),
    ];
  }));
}
