import type { Finding, PairReport, ReconcileReport } from '../../kit/client/index.js';
import { barChart, escaped, type Bar } from './chart.js';
import { stateWords, sumOf, totalsOf } from './words.js';

/** A reconciliation as a page by itself: no scripts, nothing from elsewhere. */

const STYLE = `
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5d6b7a; --line: #d9dfe6; --paper: #fff; --tile: #f4f6f8;
  --bar: #4c7fb4; --bad: #b3261e; --good: #1b7f4d; --wait: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #9aa8b6; --line: #36424e; --paper: #161c22; --tile: #1f2830;
  --bar: #6ea3d8; --bad: #ff8a80; --good: #6fd6a0; --wait: #e2b04a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
small { font-weight: 400; font-size: .8em; } h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); } .bad { color: var(--bad); } .good { color: var(--good); } .wait { color: var(--wait); }
.verdict { font-size: 1.15rem; font-weight: 600; margin: .75rem 0 1.25rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); gap: .75rem; padding: 0; margin: 0; }
.tiles div { background: var(--tile); border-radius: .5rem; padding: .7rem .9rem; }
.tiles dt { color: var(--soft); font-size: .85rem; } .tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font: .88em ui-monospace, monospace; overflow-wrap: anywhere; } svg { display: block; width: 100%; min-width: 42rem; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
svg .bar { fill: var(--bar); } svg .badbar { fill: var(--bad); } svg .axis { stroke: var(--line); }
`;

/** Classes that the chart draws by themselves. */
const MOST_BARS = 15;

/** The page. @param where whose it is: a task queue, say */
export function reconciliationPage(report: ReconcileReport, where: string): string {
  const { pairs, findings, startedAt, since, isClean, repaired, opened } = report;
  const totals = totalsOf(report);
  const day = new Date(startedAt).toISOString();
  const title = `Reconciliation of ${where}, ${day.slice(0, 10)}`;
  const failed = pairs.filter(({ failure }) => failure !== undefined);
  const tiles: [string, number | string, string?][] = [
    ['rows compared', number(totals.rows)],
    ['differed at first', number(totals.candidates)],
    ['agreed then', number(totals.agreed)],
    ['in flight', number(totals.inFlight), totals.inFlight > 0 ? 'wait' : undefined],
    ['drift', number(totals.drift), totals.drift > 0 ? 'bad' : 'good'],
    ['repaired', number(totals.repaired), totals.repaired > 0 ? 'good' : undefined],
    ['cases opened', number(opened), opened > 0 ? 'wait' : undefined],
    ['took', `${((report.endedAt - startedAt) / 1_000).toFixed(1)} s`],
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(title)}</h1>
<p class="soft">${escaped(day.replace('T', ' ').slice(0, 16))} UTC · ${since === undefined ? 'all rows' : `rows since ${new Date(since).toISOString()}`} · ${
    repaired ? 'repairs were done' : 'dry run: nothing was repaired'
  }</p>
<p class="verdict ${isClean ? 'good' : 'bad'}">${escaped(verdictOf(report, totals, failed.length))}</p>
<dl class="tiles">${tiles
    .map(
      ([name, value, mood]) =>
        `<div><dt>${name}</dt><dd${mood === undefined ? '' : ` class="${mood}"`}>${value}</dd></div>`,
    )
    .join('')}</dl>
${driftChart(pairs)}
<h2>Rows compared, by pair <small class="soft">logarithmic</small></h2>
${barChart(pairs.map(rowsBar), 'Rows of both sides of each pair; the scale is logarithmic')}
<h2>Pairs</h2>
<div class="wide"><table><thead><tr><th>pair</th><th class="n">rows</th><th class="n">differed</th><th class="n">in flight</th><th class="n">drift</th><th class="n">repaired</th><th class="n">took</th></tr></thead>
<tbody>${pairs.map(pairRow).join('\n')}</tbody></table></div>
<h2>Findings</h2>
${findings.length === 0 ? '<p class="soft">None.</p>' : findingsTable(findings)}
${findings.length < totals.drift ? `<p class="soft">The first ${number(findings.length)} of ${number(totals.drift)}.</p>` : ''}
</body></html>
`;
}

function verdictOf(
  { isClean }: ReconcileReport,
  { drift, repaired }: { drift: number; repaired: number },
  failed: number,
) {
  if (failed > 0)
    return `${failed} ${failed === 1 ? 'pair' : 'pairs'} could not be compared${drift > 0 ? `; of the others ${number(drift)} do not agree` : ''}`;
  if (drift === 0) return 'All agree.';
  const then = repaired === 0 ? '' : `, ${repaired === drift ? 'all' : number(repaired)} of them repaired`;
  return `${number(drift)} do not agree${then}${isClean ? '' : ': see the findings'}.`;
}

function driftChart(pairs: readonly PairReport[]): string {
  const bars = pairs
    .flatMap(({ drift }) => Object.entries(drift).map(([name, count]): Bar => ({ name, value: count, mood: 'bad' })))
    .toSorted((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1));
  if (bars.length === 0) return '';
  const rest = bars.slice(MOST_BARS);
  const sum = rest.reduce((total, { value }) => total + value, 0);
  const drawn =
    bars.length <= MOST_BARS + 1
      ? bars
      : [...bars.slice(0, MOST_BARS), { name: `${rest.length} more classes`, value: sum, mood: 'bad' as const }];
  return `<h2>Drift, by class <small class="soft">logarithmic</small></h2>\n${barChart(drawn, 'Findings of each class of drift; the scale is logarithmic')}`;
}

function rowsBar({ pair, rows: [one, other], drift }: PairReport): Bar {
  return { name: pair, value: one + other, ...(sumOf(drift) > 0 && { mark: `${number(sumOf(drift))} drift` }) };
}

function pairRow({
  pair,
  what,
  rows: [one, other],
  candidates,
  inFlight,
  drift,
  repaired,
  tookMs,
  failure,
}: PairReport): string {
  const count = sumOf(drift);
  const why = failure === undefined ? '' : `<br><span class="bad">not compared to its end: ${escaped(failure)}</span>`;
  const cells = [`${number(one)} / ${number(other)}`, number(candidates), number(inFlight)];
  return `<tr><td><strong>${escaped(pair)}</strong><br><span class="soft">${escaped(what)}</span>${why}</td>${cells
    .map((cell) => `<td class="n">${cell}</td>`)
    .join(
      '',
    )}<td class="n${count > 0 ? ' bad' : ''}">${number(count)}</td><td class="n">${number(repaired)}</td><td class="n">${number(tookMs)} ms</td></tr>`;
}

function findingsTable(findings: readonly Finding[]): string {
  const rows = findings.map(({ class: name, key, detail, state, note }) => {
    const mood = state === 'repaired' ? 'good' : state === 'told' || state === 'not-repaired' ? 'bad' : 'wait';
    const more = note === undefined ? '' : `<br><span class="soft">${escaped(note)}</span>`;
    return `<tr><td>${escaped(name)}</td><td><code>${escaped(key)}</code></td><td>${escaped(detail)}</td><td><span class="${mood}">${stateWords[state]}</span>${more}</td></tr>`;
  });
  return `<div class="wide"><table><thead><tr><th>class</th><th>key</th><th>what is there</th><th>what became of it</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`;
}

function number(value: number): string {
  return value.toLocaleString('en');
}
