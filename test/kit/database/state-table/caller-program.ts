/** A caller that is killed: `caller-program.ts GID POINT`, with the databases' URLs as CALLER, A and B. */
import pg from 'pg';
import { createStateTable, pgDatabase, type Database } from '../../../../src/kit/database/index.js';
import { operationsOf, transfer } from './stage.js';

const [gid = '', killedAt = ''] = process.argv.slice(2);
const at = (point: string) => {
  if (point === killedAt) process.kill(process.pid, 'SIGKILL');
};
const open = (name: string) => pgDatabase(new pg.Pool({ connectionString: process.env[name], max: 2 }));

/** The table's own statements are numbered: it may die before one is sent, and when it is committed. */
const own = open('CALLER');
let count = 0;
const database: Database = {
  ...own,
  run: async <Row extends object>(text: string, values?: readonly unknown[], timeoutMs?: number) => {
    const statement = ++count;
    at(`before ${statement}`);
    const rows = await own.run<Row>(text, values, timeoutMs);
    at(`after ${statement}`);
    return rows;
  },
};
const operations = operationsOf({ a: open('A'), b: open('B') }, (point, { branch }) => {
  at(`${branch} ${point}`);
  return Promise.resolve();
});
const twoStates = process.env.TWO_STATES === '1';
const answer = await createStateTable({ database, operations, twoStates }).run(gid, transfer());
console.log(`answered ${answer.answer}`);
process.exit(0);
