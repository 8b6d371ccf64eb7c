import type { Cli } from '../cli.js';
import { EXIT } from '../exit.js';
import { requireWorker } from '../session.js';
import { proveBooks } from '../shop.js';
import { describeBooks } from '../words.js';

/** `books`. */
export function addBooksCommand(cli: Cli): void {
  cli.root
    .command('books')
    .description(
      'prove, across all databases, that nothing was lost and nothing was done twice; best on a shop at rest',
    )
    .addHelpText('after', '\nExit codes: 0 the books balance; 1 they do not: every difference is named.')
    .action(
      cli.does(async () => {
        const session = await cli.open();
        await requireWorker(session);
        const books = await proveBooks(session.client, session.settings);
        session.output.result(books, () => describeBooks(books));
        return books.balanced ? EXIT.done : EXIT.undone;
      }),
    );
}
