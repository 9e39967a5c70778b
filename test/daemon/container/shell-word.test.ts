// Words of a Dockerfile: the cases were run on dockerd 20.10, but for those without a colon, which it refuses.
import t from 'tap';
import { shellWord, splitWords } from '../../../src/daemon/container/shell-word.js';

const VALUES = new Map([
  ['PATH', '/bin'],
  ['QUOTE', `it's "q" $X`],
  ['EMPTY', ''],
]);
/** "@{" stands for the beginning of a variable, which a template could be taken for. */
const word = (text: string) => shellWord(text.replaceAll('@{', '$'.concat('{')), VALUES, 'ENV');

t.test('shellWord() takes quotes away and replaces variables, but not in what these hold', async (t) => {
  const cases: [string, string][] = [
    [`"it's $PATH"`, `it's /bin`],
    [`'say "hi" $PATH'`, 'say "hi" $PATH'],
    ["\\'$PATH\\'", "'/bin'"],
    ['$QUOTE', `it's "q" $X`],
    ['"$QUOTE"', `it's "q" $X`],
    [`'it'"'"'s'`, `it's`],
    ['"a\\"b\\$PATH\\\\c\\n"', 'a"b$PATH\\c\\n'],
    ['a\\ b\\$PATH', 'a b$PATH'],
    [`'$PATH'$PATH"$PATH"`, '$PATH/bin/bin'],
    ['ümläut$PATHü', 'ümläut'],
    ['$1x$@.', 'x.'],
    ['$', '$'],
    ['a\\', 'a'],
    ['@{NONE:-"d q"}@{EMPTY:-e}@{EMPTY-f}', 'd qe'],
    ["@{NONE:-it\\'s}", "it's"],
    ['@{NONE:-@{PATH}}', '/bin'],
    ['@{PATH:+"x y"}@{NONE:+z}', 'x y'],
    ['@{PATH:?no}', '/bin'],
  ];
  for (const [text, made] of cases) t.equal(word(text), made, text);
});

t.test('shellWord() refuses what has no end, with the instruction', async (t) => {
  const cases: [string, RegExp][] = [
    [`it's`, /^ENV "it's": a single quote has no end: write it in double quotes/],
    ['"x', /double quote has no end/],
    ['@{PATH', /\$\{PATH is not followed by/],
    ['@{PATH:-x', /the "}" that ends it is missing/],
    ['@{PATH/a/b}', /is not followed by/],
    ['@{}', /bad substitution/],
    ['@{NONE:?is needed}', /NONE is not set: is needed/],
  ];
  for (const [text, message] of cases) t.throws(() => word(text), { code: 'REQUEST_INVALID', message }, text);
});

t.test('splitWords() splits outside of quotes', async (t) => {
  t.same(splitWords(`a="b c" 'd e'=f\tg\\ h  "i 'j`), ['a="b c"', "'d e'=f", 'g\\ h', `"i 'j`]);
  t.same(splitWords('"b\\'), ['"b\\']);
  t.same(splitWords('  '), []);
});
