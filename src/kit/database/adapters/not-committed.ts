/** The commit was answered with something else: a statement had failed and its error was swallowed. Nothing happened. */
export class NotCommitted extends Error {
  constructor(answer: string) {
    super(
      `the commit was answered with ${answer}: a statement in the transaction failed and its error was not passed on`,
    );
    this.name = 'NotCommitted';
  }
}
