/** `tsrun version` and the text of --version. */
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';

/** The lines of runc --version, which docker and podman read. */
export async function versionText(): Promise<string> {
  const { COMMIT, OCI_VERSION, VERSION } = await import('../version.js');
  const lines = [`tsrun version ${VERSION}`, `commit: ${COMMIT}`, `spec: ${OCI_VERSION}`];
  try {
    const { addon } = await import('../../native/addon.js');
    lines.push(`libseccomp: ${addon().seccompVersion()}`);
  } catch {
    // Not built, or built without libseccomp: the rest still holds.
  }
  return `${lines.join('\n')}\n`;
}

export const version = defineCommand({
  name: 'version',
  summary: 'print the version',
  usage: '',
  description: ['Prints what --version prints.'],
  args: [0, 0],
  options: HELP_OPTION,
  async run() {
    print(await versionText());
    return 0;
  },
});
