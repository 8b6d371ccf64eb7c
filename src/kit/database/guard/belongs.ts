/**
 * That a gid is one of a state machine's sagas: the machine's own, a dot, and more. By the index `guard_sagas`, which has only gids with a
 * dot. Another transaction may have such a gid, too: to take it for one of these has to be harmless.
 */
export function belongs(gid: string, machine: string): string {
  return `strpos(${gid}, '.') > 0 and ${gid} collate "C" > ${machine} || '.' and ${gid} collate "C" < ${machine} || '/'`;
}
