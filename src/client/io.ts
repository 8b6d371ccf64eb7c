type Out = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/** What a run of the program reads and writes besides what it calls. Default: the process's own. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Out;
  readonly stderr: Out;
}
