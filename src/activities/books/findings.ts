import { MAX_DIFFERENCES, type Difference } from '../../contracts/shop.js';

/** Differences as they are found: all are counted, the first are kept. */
export class Findings {
  readonly differences: Difference[] = [];
  count = 0;

  /** Notes a difference if `found` is not what is `expected`. */
  compare(check: string, subject: string, expected: string | number, found: string | number): void {
    if (expected === found) return;
    this.count += 1;
    if (this.differences.length < MAX_DIFFERENCES) {
      this.differences.push({ check, subject, expected: String(expected), found: String(found) });
    }
  }

  /** Counts differences that are not listed. */
  addUnlisted(count: number): void {
    this.count += count;
  }
}
