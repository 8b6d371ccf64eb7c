import assert from 'node:assert/strict';
import { barLine, judgeBars, reportOf, tableOf, type Figures, type SystemName } from '../../bench/report.js';

function figures(perSecond: number, cpuSecondsPer1000: number | null = 10): Figures {
  return { perSecond, p50Ms: 5, p99Ms: 9, serialP50Ms: 2, cpuSecondsPer1000, eventsPerSaga: 24.2, bytesPerSaga: 3810 };
}

function rounds(given: Partial<Record<SystemName, readonly Figures[]>>) {
  return new Map(Object.entries(given) as [SystemName, readonly Figures[]][]);
}

const whole = rounds({
  floor: [figures(800, 2), figures(400, 2), figures(900, 2)],
  'floor+dedup': [figures(800, 2), figures(400, 2), figures(900, 2)],
  'floor+guard': [figures(600, 3), figures(300, 3), figures(700, 3)],
  direct: [figures(700, 2), figures(390, 2), figures(880, 2)],
  'hand-written': [figures(20, 80), figures(10, 90), figures(22, 100)],
  durable: [figures(20, 80), figures(9, 90), figures(22, 110)],
  lean: [figures(40, 40), figures(19, 45), figures(45, 50)],
});

describe("the benchmark's report", () => {
  it('has the promised shape: seven figures a system, and ratios', () => {
    const { systems, ratios } = JSON.parse(JSON.stringify(reportOf(whole, 'development'))) as ReturnType<
      typeof reportOf
    >;
    assert.deepEqual(Object.keys(systems), [
      'floor',
      'floor+dedup',
      'floor+guard',
      'direct',
      'hand-written',
      'durable',
      'lean',
    ]);
    for (const system of Object.values(systems)) {
      assert.deepEqual(Object.keys(system), [
        'perSecond',
        'p50Ms',
        'p99Ms',
        'serialP50Ms',
        'cpuSecondsPer1000',
        'eventsPerSaga',
        'bytesPerSaga',
      ]);
    }
    assert.deepEqual(Object.keys(ratios), [
      'durable/hand-written',
      'lean/hand-written',
      'direct/floor+dedup',
      'floor+guard/floor+dedup',
      'floor+dedup/floor',
    ]);
  });

  it('gives medians over the rounds, and medians of the ratios round by round', () => {
    const { systems, ratios } = reportOf(whole, 'development');
    assert.equal(systems.floor?.perSecond, 800);
    assert.deepEqual(ratios['durable/hand-written'], { perSecond: 1, serialP50Ms: 1, cpuSecondsPer1000: 1 });
    assert.deepEqual(ratios['lean/hand-written'], { perSecond: 2, serialP50Ms: 1, cpuSecondsPer1000: 0.5 });
    assert.deepEqual(ratios['floor+guard/floor+dedup'], { perSecond: 0.75, serialP50Ms: 1, cpuSecondsPer1000: 1.5 });
  });

  it('says null, and n/a to people, where CPU time cannot be read', () => {
    const unread = rounds({ 'hand-written': [figures(20, null)], durable: [figures(20, null)] });
    const report = reportOf(unread, 'development');
    assert.equal(report.systems.durable?.cpuSecondsPer1000, null);
    assert.equal(report.ratios['durable/hand-written']?.cpuSecondsPer1000, null);
    assert.ok(tableOf(unread, 'development').some((line) => line.includes('CPU n/a')));
  });

  it('holds the ratios against the bars', () => {
    assert.deepEqual(
      judgeBars(reportOf(whole, 'development')).map(({ met }) => met),
      [true, true, true, true, true, true],
    );
    const slow = rounds({
      'floor+dedup': [figures(800, 2)],
      direct: [{ ...figures(600, 3), serialP50Ms: 4 }],
      'hand-written': [figures(20, 80)],
      durable: [figures(18.9, 85)],
      lean: [figures(35)],
    });
    const judged = judgeBars(reportOf(slow, 'development'));
    assert.deepEqual(
      judged.map(({ met }) => met),
      [false, false, false, false, false, false],
    );
    assert.match(judged.map(barLine)[0] ?? '', /durable\/hand-written perSecond at least 0.95: 0.945: MISSED/);
  });

  it('neither meets nor misses a bar of systems that were not run', () => {
    const judged = judgeBars(reportOf(rounds({ floor: [figures(800)] }), 'development'));
    assert.deepEqual(
      judged.map(({ met }) => met),
      judged.map(() => undefined),
    );
    assert.match(judged.map(barLine)[0] ?? '', /n\/a: not measured/);
  });

  it('asks more of lean, durable and grouped on the production server, and the same of direct', () => {
    const between = rounds({
      'floor+dedup': [figures(800, 2)],
      direct: [figures(700, 2)],
      'hand-written': [figures(100)],
      durable: [figures(96)],
      lean: [figures(200)],
    });
    const met = (server: 'development' | 'production') =>
      Object.fromEntries(
        judgeBars(reportOf(between, server)).map((bar) => [
          `${bar.ratio} ${bar.figure}`,
          [bar.atLeast ?? bar.atMost, bar.met],
        ]),
      );
    const direct = {
      'direct/floor+dedup perSecond': [0.85, true],
      'direct/floor+dedup cpuSecondsPer1000': [1.25, true],
      'direct/floor+dedup serialP50Ms': [1.5, true],
    };
    assert.deepEqual(met('development'), {
      'durable/hand-written perSecond': [0.95, true],
      'durable/hand-written cpuSecondsPer1000': [1.05, true],
      'lean/hand-written perSecond': [1.8, true],
      ...direct,
    });
    assert.deepEqual(met('production'), {
      'durable/hand-written perSecond': [0.97, false],
      'lean/hand-written perSecond': [2.3, false],
      'grouped/hand-written perSecond': [8, undefined],
      ...direct,
    });
  });

  it('says which server it was measured on, to people and to programs', () => {
    assert.equal(reportOf(whole, 'production').server, 'production');
    assert.match(tableOf(whole, 'production')[0] ?? '', /production server/);
    assert.match(tableOf(whole, 'development')[0] ?? '', /development server/);
  });

  it('shows people a row a system, with the spread of the rounds', () => {
    const lines = tableOf(whole, 'development');
    assert.match(lines.find((line) => line.trimStart().startsWith('lean ')) ?? '', /40 \(19–45\)/);
  });
});
