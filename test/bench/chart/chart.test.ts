import assert from 'node:assert/strict';
import { drawChart, type Panel } from '../../../bench/chart/chart.js';
import { scaleOf } from '../../../bench/chart/scale.js';
import { parseXml, withClass, type Xml } from './xml.js';

const panel = (lines: Panel['lines'], more: Partial<Panel> = {}): Panel => ({
  title: 'throughput',
  x: { label: 'steps', scale: 'log', ticks: [1, 10, 100] },
  y: { label: 'sagas/s', scale: 'log' },
  lines,
  ...more,
});
const draw = (...panels: Panel[]): Xml =>
  parseXml(drawChart({ title: 'Cost & growth', description: 'less < more', panels }));

/** Where an element was moved to. */
function place(xml: Xml): { x: number; y: number } {
  const [, x, y] = /^translate\((\S+) (\S+)\)$/.exec(xml.attributes.get('transform') ?? '') ?? [];
  return { x: Number(x), y: Number(y) };
}

/** The place of each tick of an axis, by its text. */
function ticks(xml: Xml, axis: 'x' | 'y'): Record<string, number> {
  return Object.fromEntries(
    withClass(xml, 'tick')
      .filter((tick) => tick.attributes.get('class')?.split(' ').includes(axis))
      .map((tick) => [tick.children.find(({ name }) => name === 'text')?.text ?? '', place(tick)[axis]]),
  );
}

describe('a chart', () => {
  it('is XML, whatever its texts hold', () => {
    const name = `a "<b>" & 'c'`;
    const chart = draw(panel([{ name, points: [{ x: 1, y: 5 }] }]));
    assert.equal(chart.name, 'svg');
    assert.equal(chart.attributes.get('xmlns'), 'http://www.w3.org/2000/svg');
    assert.equal(chart.children.find((child) => child.name === 'title')?.text, 'Cost & growth');
    assert.equal(chart.children.find((child) => child.name === 'desc')?.text, 'less < more');
    const [legend] = withClass(chart, 'legend');
    assert.ok(legend?.children[0]?.children.some((child) => child.text === name));
  });

  it('draws each value where its axes say, on logarithmic axes', () => {
    const chart = draw(
      panel([
        {
          name: 'direct',
          points: [
            { x: 1, y: 1_000 },
            { x: 10, y: 100 },
            { x: 100, y: 10 },
          ],
        },
      ]),
    );
    const [plot] = withClass(chart, 'panel');
    assert.ok(plot);
    const [across, up] = [ticks(plot, 'x'), ticks(plot, 'y')];
    const drawn = withClass(plot, 'marker').map(place);
    assert.deepEqual(drawn, [
      { x: across['1'], y: up['1,000'] },
      { x: across['10'], y: up['100'] },
      { x: across['100'], y: up['10'] },
    ]);
    const [left, middle, right] = drawn;
    assert.ok(left && middle && right);
    assert.equal(left.x, 0);
    assert.ok(Math.abs(right.x - 2 * middle.x) < 0.2, 'a decade is as wide as the next');
    assert.ok(left.y < middle.y && middle.y < right.y, 'more is higher');
    assert.ok(Math.abs(right.y - middle.y - (middle.y - left.y)) < 0.2);
    const line = withClass(plot, 'line')[0]?.attributes.get('d');
    assert.equal(line, `M${drawn.map(({ x, y }) => `${x} ${y}`).join('L')}`);
    const [marker] = withClass(plot, 'marker');
    assert.equal(marker?.children[0]?.text, 'direct, 1 steps: 1,000 sagas/s');
  });

  it('draws shares from 0 on a linear axis', () => {
    const x = { label: '% undone', scale: 'linear', ticks: [0, 10, 50] } as const;
    const points = [0, 10, 50].map((share) => ({ x: share, y: 3 }));
    const [plot] = withClass(draw(panel([{ name: 'lean', points }], { x })), 'panel');
    assert.ok(plot);
    const [none, tenth, half] = withClass(plot, 'marker').map((marker) => place(marker).x);
    assert.equal(none, 0);
    assert.ok(Math.abs((tenth ?? 0) * 5 - (half ?? 0)) < 0.5);
  });

  it('gives a line the same look in each panel and in the legend, and no two the same', () => {
    const line = (name: string) => ({ name, points: [{ x: 1, y: 1 }] });
    const chart = draw(panel([line('a'), line('b')]), panel([line('b')]));
    const [legend] = withClass(chart, 'legend');
    const [first, second] = withClass(chart, 'panel');
    assert.ok(legend && first && second);
    assert.deepEqual(
      legend.children.map((entry) => entry.children.find(({ name }) => name === 'text')?.text),
      ['a', 'b'],
    );
    const outline = (xml: Xml) => withClass(xml, 'marker').map((marker) => marker.attributes.get('d'));
    assert.notEqual(outline(first)[0], outline(first)[1]);
    assert.equal(outline(second)[0], outline(first)[1]);
    assert.deepEqual(outline(legend), outline(first));
    assert.equal(withClass(second, 'line-1').length, 1);
    assert.equal(withClass(second, 'line-0').length, 0);
  });

  it('has a background of its own, with other colours where the reader has a dark one', () => {
    const chart = draw(panel([{ name: 'a', points: [{ x: 1, y: 1 }] }]));
    const css = chart.children.find(({ name }) => name === 'style')?.text ?? '';
    const [light = '', dark = ''] = css.split('@media (prefers-color-scheme:dark)');
    const colour = (theme: string, selector: string) =>
      new RegExp(`${selector}\\{(?:fill|stroke):(#\\w+)`).exec(theme)?.[1];
    for (const selector of ['\\.background', 'text', '\\.line-0']) {
      assert.ok(colour(light, selector), selector);
      assert.ok(colour(dark, selector), selector);
      assert.notEqual(colour(light, selector), colour(dark, selector));
    }
    assert.equal(withClass(chart, 'background').length, 1);
  });

  it('says of a figure that nobody measured that it was not measured', () => {
    const chart = draw(panel([]), panel([{ name: 'a', points: [{ x: 1, y: 1 }] }]));
    assert.match(withClass(chart, 'panel')[0]?.children.at(-1)?.text ?? '', /not measured/);
  });

  it('refuses what a logarithmic axis has no place for, and more lines than can be told apart', () => {
    assert.throws(
      () => draw(panel([{ name: 'a', points: [{ x: 1, y: 0 }] }])),
      /sagas\/s: a logarithmic axis cannot show 0/,
    );
    const many = Array.from({ length: 7 }, (_, index) => ({ name: `lane ${index}`, points: [{ x: 1, y: 1 }] }));
    assert.throws(() => draw(panel(many)), /7 lines: at most 6/);
  });
});

describe("a chart's axis", () => {
  const log = { label: 'ms', scale: 'log' } as const;

  it('gets round ticks around what it shows, fewer of them for a wider range', () => {
    assert.deepEqual(scaleOf(log, [3, 40]).ticks, [2, 5, 10, 20, 50]);
    assert.deepEqual(scaleOf(log, [0.7, 1_300]).ticks, [0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000]);
    assert.deepEqual(scaleOf({ label: 'MB', scale: 'linear' }, [0, 61]).ticks, [0, 10, 20, 30, 40, 50, 60, 70]);
  });

  it('shows a single value too', () => {
    assert.equal(scaleOf(log, [10]).at(10), 0.5);
    assert.ok(scaleOf(log, [7]).at(7) > 0);
    assert.ok(scaleOf({ label: 'MB', scale: 'linear' }, [3]).ticks.length > 0);
  });
});
