/** Horizontal bars as inline SVG: a name, a bar and its figure in each line. */

export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly mood?: 'bad';
  /** A word behind the figure. */
  readonly mark?: string;
}

const WIDTH = 960;
const LINE = 26;
const LABEL = 250;
/** What figures take behind the longest bar. */
const FIGURE = 190;

/** Each decade is as long as the others: one pair may have a million times what another one has. */
export function barChart(bars: readonly Bar[], title: string): string {
  const length = (value: number) => Math.log10(value + 1);
  const most = Math.max(1, ...bars.map(({ value }) => length(value)));
  const lines = bars.map(({ name, value, mood, mark }, place) => {
    const middle = place * LINE + LINE / 2 + 6;
    const width = Math.max(value > 0 ? 2 : 0, (length(value) / most) * (WIDTH - LABEL - FIGURE));
    const behind = LABEL + width + 8;
    const figure = value.toLocaleString('en');
    const word =
      mark === undefined ? '' : `<tspan dx="10" style="fill: var(--bad); font-weight: 600">${escaped(mark)}</tspan>`;
    return `<text x="${LABEL - 12}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text><rect class="${
      mood === 'bad' ? 'badbar' : 'bar'
    }" x="${LABEL}" y="${middle - 8}" width="${width.toFixed(1)}" height="16" rx="3"/><text x="${behind.toFixed(1)}" y="${
      middle + 4
    }">${figure}${word}</text>`;
  });
  const height = bars.length * LINE + 12;
  return `<div class="wide"><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}"><title>${escaped(title)}</title><line class="axis" x1="${LABEL}" y1="2" x2="${LABEL}" y2="${height - 2}"/>${lines.join('\n')}</svg></div>`;
}

/** Text within markup. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
