import { Command, InvalidArgumentError } from '@commander-js/extra-typings';

/** The options that every development program has. */
export function developmentCommand(name: string, description: string) {
  return new Command(name)
    .description(description)
    .option('--fresh', 'forget what earlier runs left, and start from nothing')
    .option('--state <folder>', 'where the servers keep everything (default: .backstitch)')
    .option('--temporal-port <port>', "the Temporal server's port (default: 7233 if free)", port)
    .option('--ui-port <port>', "the Web UI's port (default: 8233 if free)", port)
    .option('--postgres-port <port>', "PostgreSQL's port (default: a free one)", port)
    .option('--faults <list>', "faults to inject, such as 'payments.charge.action:refuse@order-cdnow-00003'")
    .showHelpAfterError('(--help tells more)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
}

function port(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
  throw new InvalidArgumentError('give a port from 1 to 65535.');
}

/** Those options as the servers take them. */
export function serverOptions(options: {
  fresh?: true;
  state?: string;
  temporalPort?: number;
  uiPort?: number;
  postgresPort?: number;
  faults?: string;
}) {
  const { fresh, state, temporalPort, uiPort, postgresPort, faults } = options;
  return { fresh, state, faults, ports: { temporal: temporalPort, ui: uiPort, postgres: postgresPort } };
}
