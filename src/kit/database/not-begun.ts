/** Nothing was sent to the database: no connection came in time, or too late to begin. Trying again is safe. */
export class NotBegun extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'NotBegun';
  }
}
