import { Cli } from './cli.js';
import { addAlarmCommands } from './commands/alarm.js';
import { addBankCommands } from './commands/bank.js';
import { addBookstoreCommands } from './commands/bookstore.js';
import { addBooksCommand } from './commands/books.js';
import { addDeskCommands } from './commands/desk.js';
import { addLogCommand } from './commands/log.js';
import { addMessagesCommands } from './commands/messages.js';
import { addOrderCommands } from './commands/order.js';
import { addReconcileCommand } from './commands/reconcile.js';
import { addScanCommand } from './commands/scan.js';
import { addScheduleCommands } from './commands/schedules.js';
import { addSaleCommands } from './commands/sale.js';
import { addShopCommands } from './commands/shop.js';
import { addTransferCommand } from './commands/transfer.js';
import { addTransactionCommands } from './commands/tx.js';
import type { ExitCode } from './exit.js';
import type { Io } from './io.js';

/** The command line as a function: runs the command that the arguments name, and returns the exit code. */
export function runProgram(args: readonly string[], io?: Io): Promise<ExitCode> {
  const cli = new Cli(io);
  addOrderCommands(cli);
  addTransferCommand(cli);
  addBankCommands(cli);
  addBookstoreCommands(cli);
  addSaleCommands(cli);
  addTransactionCommands(cli);
  addDeskCommands(cli);
  addScanCommand(cli);
  addScheduleCommands(cli);
  addLogCommand(cli);
  addMessagesCommands(cli);
  addBooksCommand(cli);
  addReconcileCommand(cli);
  addShopCommands(cli);
  addAlarmCommands(cli);
  return cli.run(args);
}
