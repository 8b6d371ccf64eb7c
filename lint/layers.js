import { dirname, relative, resolve } from 'node:path';

/**
 * Who may import whom (docs/design.md). A room is a folder or a file below the repository; the first that holds a file is
 * its room. `values` may be imported as they are, `types` only as types, `later` only by `import()`. A room may always import
 * itself. Names that are no rooms are packages; `node:` is every Node module.
 */
export const layers = [
  { room: 'src/kit/workflow', values: ['@temporalio/workflow', '@temporalio/common'] },
  { room: 'src/kit/messages', values: [] },
  { room: 'src/kit/rabbitmq', values: ['node:', 'src/kit/messages', 'amqplib'] },
  { room: 'src/kit/redis', values: ['node:', 'src/kit/database'] },
  {
    room: 'src/kit/database',
    values: [
      ...['node:', 'src/kit/messages', 'src/kit/workflow/fate.ts', 'src/kit/workflow/carried.ts'],
      'src/kit/workflow/state-machine/protocol.ts',
    ],
    types: ['src/kit/workflow'],
  },
  {
    room: 'src/kit/direct',
    values: ['node:', 'src/kit/database', 'src/kit/workflow', '@temporalio/common'],
    types: ['src/kit/client'],
  },
  { room: 'src/kit/alarms', values: ['node:'], types: ['src/kit/workflow'] },
  {
    room: 'src/kit/worker',
    values: [
      ...['node:', 'src/kit/alarms', 'src/kit/database', 'src/kit/direct', 'src/kit/messages'],
      ...['src/kit/workflow', 'src/kit/client'],
      ...['@temporalio/activity', '@temporalio/worker', '@temporalio/client', '@temporalio/common'],
    ],
  },
  { room: 'src/kit/testing/workflow', values: ['@temporalio/workflow', '@temporalio/common'] },
  {
    room: 'src/kit/testing',
    values: [
      ...['node:', 'src/kit/workflow', 'src/kit/database', 'src/kit/client', 'src/kit/worker'],
      ...['@temporalio/client', '@temporalio/worker', '@temporalio/common'],
    ],
  },
  { room: 'src/kit/client', values: ['node:', 'src/kit/workflow', '@temporalio/client', '@temporalio/common'] },
  {
    // The table of a state machine is data, as a contract is.
    room: 'src/contracts',
    values: ['zod', 'src/kit/client', 'src/kit/workflow/state-machine/definition.ts'],
    types: ['src/kit/workflow'],
  },
  {
    room: 'src/workflows',
    values: [
      ...['src/kit/workflow', 'src/contracts/money.ts', 'src/contracts/order-lifecycle.ts'],
      '@temporalio/workflow',
    ],
    types: ['src/contracts', 'src/activities'],
  },
  // A service never touches another one, nor its database.
  ...['orders', 'payments', 'inventory', 'shipping', 'notifications', 'banks', 'warehouse', 'callers', 'coupons'].map(
    (name) => ({
      room: `src/activities/${name}`,
      values: [
        ...['src/activities/expired.ts', 'src/activities/input.ts'],
        ...['src/activities/integers.ts', 'src/activities/ledger.ts'],
        ...['src/activities/books', 'src/kit/database', 'src/contracts'],
      ],
      types: ['src/kit/workflow'],
    }),
  ),
  {
    room: 'src/activities',
    values: ['node:', 'zod', 'src/kit/database', 'src/contracts'],
    types: ['src/kit/workflow'],
  },
  {
    // Where the command line may become a driver, for the lane `direct`. It loads services and database drivers
    // by `import()`, only once that is asked for: all other commands run without them, and without their settings.
    room: 'src/client/direct.ts',
    values: [],
    types: ['src/kit/client', 'src/contracts', '@temporalio/client'],
    later: ['src/direct.ts'],
  },
  {
    // The same for the callers' state table.
    room: 'src/client/state-table.ts',
    values: [],
    types: ['src/contracts'],
    later: ['src/state-table.ts'],
  },
  {
    // And for buying at a flash sale.
    room: 'src/client/sale.ts',
    values: [],
    types: ['src/contracts'],
    later: ['src/sale.ts'],
  },
  {
    // Temporal, never a service or its database.
    room: 'src/client',
    values: [
      ...['node:', 'src/kit/client', 'src/contracts', 'src/config.ts', 'src/signals.ts', 'src/client.ts'],
      ...['@temporalio/client', '@temporalio/common', '@commander-js/extra-typings'],
      ...['cli-progress', 'cli-table3', 'csv-parse'],
    ],
    types: ['src/kit/workflow'],
  },
  { room: 'src/client.ts', values: ['node:', 'src/client'] },
];

const isIn = (path, room) => path === room || path.startsWith(`${room}/`);

/** What a specifier names: a path below the repository, or a package. */
function target(specifier, file, root) {
  if (specifier.startsWith('node:')) return 'node:';
  if (specifier.startsWith('.')) {
    return relative(root, resolve(dirname(file), specifier)).replace(/\.js$/, '.ts');
  }
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}

const isTypeOnly = (node) =>
  node.importKind === 'type' ||
  node.exportKind === 'type' ||
  (node.specifiers?.length > 0 &&
    node.specifiers.every(({ importKind, exportKind }) => importKind === 'type' || exportKind === 'type'));

/** The ESLint rule that holds every file to {@link layers}. */
export const layersRule = {
  meta: { type: 'problem', schema: [], messages: { forbidden: '{{room}} must not import {{target}}{{hint}}.' } },
  create(context) {
    const file = context.filename;
    const path = relative(context.cwd, file);
    const layer = layers.find(({ room }) => isIn(path, room));
    if (layer === undefined) return {};
    const { room, values, types = [], later = [] } = layer;
    const check = (node) => {
      if (typeof node.source?.value !== 'string') return;
      const name = target(node.source.value, file, context.cwd);
      const allowed = (names) => names.some((each) => isIn(name, each));
      if (allowed([room, ...values])) return;
      if (node.type === 'ImportExpression' && allowed(later)) return;
      const onlyTypes = allowed(types);
      if (onlyTypes && isTypeOnly(node)) return;
      const hint = onlyTypes ? ', except for types' : '';
      context.report({ node, messageId: 'forbidden', data: { room, target: name, hint } });
    };
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    };
  },
};
