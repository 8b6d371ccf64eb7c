/**
 * What an error says, in one line: its own message, else those of the errors that it stands for (a connection that was refused at
 * each of a host's addresses has no other), else its name; and what its cause says, where that is more.
 */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const parts: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  const own = error.message === '' ? [...new Set(parts.map(messageOf))].join('; ') : error.message;
  const said = own === '' ? error.name : own;
  if (!(error.cause instanceof Error)) return said;
  const why = messageOf(error.cause);
  return said.includes(why) ? said : `${said}: ${why}`;
}
