/** Programs of the host that are run with rights: not from PATH, which whoever starts us has chosen. */
import { existsSync } from 'node:fs';

const DIRECTORIES = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin', '/run/wrappers/bin'];

export const findTool = (name: string): string | undefined =>
  DIRECTORIES.map((directory) => `${directory}/${name}`).find(existsSync);
