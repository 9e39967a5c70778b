/**
 * What the launcher (csrc/launcher) starts for all that needs a compiler or words: argv to exit status. The only
 * process.exit of the project.
 */
import { runCli } from './cli/cli.js';

void runCli(process.argv.slice(2), process.env).then((status) => process.exit(status));
