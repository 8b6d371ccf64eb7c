import { scaleOf, type Axis } from './scale.js';
import { element, number, text } from './svg.js';
import { markers, style } from './style.js';

/**
 * Line charts as SVG: panels side by side with one legend. Each line has a colour and a marker of its own, each point its
 * value as a tooltip; it has a background of its own, light or dark as the reader's system is.
 */

/** A chart of one panel or more. */
export interface Chart {
  readonly title: string;
  /** What it shows, for those who cannot see it. */
  readonly description: string;
  readonly panels: readonly Panel[];
}

/** One figure over what grows. */
export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  /** A line of the same name is drawn alike in every panel. */
  readonly lines: readonly Line[];
}

export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

const PANEL = { width: 320, height: 330 };
/** Around a panel's lines: titles above, values at the left, the axis below. */
const MARGIN = { top: 92, right: 16, bottom: 46, left: 52 };
const PLOT = { width: PANEL.width - MARGIN.left - MARGIN.right, height: PANEL.height - MARGIN.top - MARGIN.bottom };
const LEGEND = { y: 52, left: 20, gap: 26, perLetter: 7 };

/**
 * Draws a chart.
 *
 * @returns the SVG file
 * @throws a RangeError where a logarithmic axis should show 0 or less, or for more lines than can be told apart
 */
export function drawChart({ title, description, panels }: Chart): string {
  const names = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))];
  if (names.length > markers.length) throw new RangeError(`${names.length} lines: at most ${markers.length}`);
  const width = PANEL.width * panels.length;
  const { height } = PANEL;
  const svg = element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: 'img',
      'aria-labelledby': 'title description',
    },
    element('title', { id: 'title' }, text(title)),
    element('desc', { id: 'description' }, text(description)),
    element('style', {}, text(style)),
    element('rect', { class: 'background', width, height, rx: 6 }),
    element('text', { class: 'title', x: LEGEND.left, y: 28 }, text(title)),
    legend(names),
    ...panels.map((panel, index) => drawPanel(panel, names, index * PANEL.width)),
  );
  return `${svg}\n`;
}

function legend(names: readonly string[]): string {
  let x = LEGEND.left;
  const entries = names.map((name, index) => {
    const at = `translate(${x} ${LEGEND.y})`;
    x += LEGEND.gap + 12 + name.length * LEGEND.perLetter;
    return element(
      'g',
      { transform: at, class: `line-${index}` },
      element('path', { class: 'line', d: 'M0 0H20' }),
      element('path', { class: 'marker', transform: 'translate(10 0)', d: markers[index] ?? '' }),
      element('text', { x: LEGEND.gap, y: 4 }, text(name)),
    );
  });
  return element('g', { class: 'legend' }, ...entries);
}

function drawPanel(panel: Panel, names: readonly string[], left: number): string {
  const { title, lines } = panel;
  const points = lines.flatMap((line) => line.points);
  const frame = { class: 'panel', transform: `translate(${left + MARGIN.left} ${MARGIN.top})` };
  const heading = element('text', { class: 'heading', x: 0, y: -14 }, text(title));
  if (points.length === 0) {
    const nothing = element('text', { class: 'tick', x: 0, y: PLOT.height / 2 }, text('not measured'));
    return element('g', frame, heading, nothing);
  }
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [horizontal, vertical] = [scaleOf(panel.x, xs), scaleOf(panel.y, ys)];
  const x = (value: number) => horizontal.at(value) * PLOT.width;
  const y = (value: number) => (1 - vertical.at(value)) * PLOT.height;
  return element(
    'g',
    frame,
    heading,
    ...vertical.ticks.map((value) =>
      element(
        'g',
        { class: 'tick y', transform: `translate(0 ${number(y(value))})` },
        element('path', { class: 'grid', d: `M0 0H${PLOT.width}` }),
        element('text', { x: -8, y: 4, 'text-anchor': 'end' }, text(written(value))),
      ),
    ),
    ...horizontal.ticks.map((value) =>
      element(
        'g',
        { class: 'tick x', transform: `translate(${number(x(value))} ${PLOT.height})` },
        element('path', { class: 'axis', d: 'M0 0V4' }),
        element('text', { x: 0, y: 18, 'text-anchor': 'middle' }, text(written(value))),
      ),
    ),
    element('path', { class: 'axis', d: `M0 ${PLOT.height}H${PLOT.width}` }),
    element(
      'text',
      { class: 'label', x: PLOT.width / 2, y: PLOT.height + 38, 'text-anchor': 'middle' },
      text(panel.x.label),
    ),
    ...lines.map((line) => drawLine(line, names.indexOf(line.name), panel, (point) => [x(point.x), y(point.y)])),
  );
}

function drawLine(line: Line, index: number, panel: Panel, place: (point: Point) => [number, number]): string {
  const places = line.points.map((point) => place(point).map(number).join(' '));
  return element(
    'g',
    { class: `line-${index}` },
    ...(places.length > 1 ? [element('path', { class: 'line', d: `M${places.join('L')}` })] : []),
    ...line.points.map((point, at) =>
      element(
        'path',
        { class: 'marker', transform: `translate(${places[at] ?? ''})`, d: markers[index] ?? '' },
        element(
          'title',
          {},
          text(`${line.name}, ${written(point.x)} ${panel.x.label}: ${written(point.y)} ${panel.y.label}`),
        ),
      ),
    ),
  );
}

/** A value as people write it: `1,500`, `0.25`. */
function written(value: number): string {
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}
