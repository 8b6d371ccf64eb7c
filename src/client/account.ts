import { userInfo } from 'node:os';

/** The account that runs this; in a container it may have no name. */
export function account(): string {
  try {
    return userInfo().username;
  } catch {
    return 'nobody known';
  }
}
