import { userInfo } from 'node:os';

/** Home folder in the user database; undefined for a user ID without an entry there, as containers have. */
export function homeOfUser(): string | undefined {
  try {
    return userInfo().homedir;
  } catch (error) {
    // ENOENT, as the system's own error.
    if ((error as NodeJS.ErrnoException).code === 'ERR_SYSTEM_ERROR') return undefined;
    throw error;
  }
}
