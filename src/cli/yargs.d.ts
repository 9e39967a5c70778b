/** The few calls of yargs that argv.ts makes; yargs 18 ships no types. */
declare module 'yargs' {
  export interface OptionSettings {
    readonly type: 'string' | 'boolean';
    readonly array?: boolean;
    readonly nargs?: number;
  }

  export interface Parser {
    locale(name: string): Parser;
    parserConfiguration(settings: { readonly [name: string]: boolean }): Parser;
    options(options: { readonly [name: string]: OptionSettings }): Parser;
    strictOptions(): Parser;
    help(enabled: false): Parser;
    version(enabled: false): Parser;
    exitProcess(enabled: false): Parser;
    fail(handler: (message: string | null, error: Error | undefined) => never): Parser;
    parseSync(): { readonly [name: string]: unknown };
  }

  function yargs(argv: readonly string[]): Parser;
  // biome-ignore lint/style/noDefaultExport: yargs has one
  export default yargs;
}
