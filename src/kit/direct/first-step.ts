import type { Announcement } from '../workflow/branch.js';

/** How far the first step has come, which announces the transaction. */
export class FirstStep implements Announcement {
  readonly start: string;
  readonly takeOverMs: number;
  at: 'begun' | 'waiting' | 'sent' | 'written' = 'begun';

  constructor(start: string, takeOverMs: number) {
    this.start = start;
    this.takeOverMs = takeOverMs;
  }
  waiting(): void {
    this.at = 'waiting';
  }
  sending(): void {
    this.at = 'sent';
  }
  written(): void {
    this.at = 'written';
  }
}
