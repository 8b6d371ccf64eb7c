/** What would start the transaction's workflow is more than the server takes. Nothing was sent to the database. */
export class TooLarge extends Error {}

/** Nothing was sent to the database: no connection came in time, or too late to begin. Trying again is safe. */
export class NotBegun extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'NotBegun';
  }
}
