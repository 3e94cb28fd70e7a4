/** The permissions of what a `file:` store writes. */

/** Who may read the files. `private`: only the user of the process. `umask`: whoever the umask of the process allows. */
export type FilePermissions = "private" | "umask";

/** Modes of what is made; the umask of the process takes bits away from both. */
export interface Modes {
  readonly file: number;
  readonly folder: number;
}

/** The modes of new files and folders. What is there already keeps its own. */
export function modesOf(permissions: FilePermissions): Modes {
  return permissions === "private" ? { file: 0o600, folder: 0o700 } : { file: 0o666, folder: 0o777 };
}
