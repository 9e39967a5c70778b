/** cli/template: Go templates as docker's --format takes them. */
import t from 'tap';
import { compileTemplate, formatRows } from '../../src/cli/template.js';

const VALUE = {
  ID: 'sha256:abc',
  Size: 12,
  RepoTags: ['a:1', 'b:2'],
  Config: { Labels: { maintainer: 'me', 'a.b': 'c' }, Env: ['A=1'], Cmd: null, Empty: [] },
  Up: true,
};

t.test('compileTemplate prints what docker prints', async (t) => {
  const cases: readonly (readonly [template: string, expected: string])[] = [
    ['{{.ID}} {{.Size}}', 'sha256:abc 12'],
    ['{{json .RepoTags}}', '["a:1","b:2"]'],
    ['{{.RepoTags}} {{.Config.Labels}}', '[a:1 b:2] map[a.b:c maintainer:me]'],
    ['{{.RepoTags | json}}', '["a:1","b:2"]'],
    ['{{index .RepoTags 1}}', 'b:2'],
    ['{{index .Config.Labels "a.b"}}|{{index .Config.Labels "none"}}', 'c|'],
    ['{{.Config.Labels.maintainer}} {{.Config.Labels.nobody}}', 'me <no value>'],
    ['{{range .RepoTags}}<{{.}}>{{end}}', '<a:1><b:2>'],
    ['{{range $i, $tag := .RepoTags}}{{if $i}}, {{end}}{{$tag}}{{end}}', 'a:1, b:2'],
    ['{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}', 'a.b=c;maintainer=me;'],
    ['{{range .Config.Empty}}x{{else}}none{{end}}', 'none'],
    ['{{if .Config.Cmd}}yes{{else if .Up}}up{{else}}no{{end}}', 'up'],
    ['{{with .Config}}{{len .Env}}{{end}}', '1'],
    ['{{join .RepoTags ","}} {{upper "x"}} {{println .Size}}', 'a:1,b:2 X 12\n'],
    ['{{printf "%-5s|%3d|%q" "ab" 7 "q"}}', 'ab   |  7|"q"'],
    ['{{eq .ID "sha256:abc"}} {{not .Up}} {{and .Up .Size}}', 'true false 12'],
    ['{{(index .RepoTags 0)}} {{$x := .Size}}{{$x}} {{$.ID}}', 'a:1 12 sha256:abc'],
    ['a {{- /* nothing */ -}} b', 'ab'],
    ['{{"{{"}}\\n', '{{\n'],
  ];
  for (const [template, expected] of cases) t.equal(compileTemplate(template)(VALUE), expected, template);
});

t.test('compileTemplate refuses what it cannot print', async (t) => {
  const cases: readonly (readonly [template: string, message: RegExp])[] = [
    ['{{.Id}}', /there is no field \.Id: did you mean "ID"\?/],
    ['{{.ID', /the action is not closed/],
    ['{{if .ID}}', /has no \{\{end\}\}/],
    ['{{end}}', /has no beginning/],
    ['{{frob .ID}}', /function "frob" not defined/],
    ['{{index .RepoTags 7}}', /index out of range/],
    ['{{$x}}', /undefined variable \$x/],
    ['{{(.ID}}', /"\)" is missing/],
  ];
  for (const [template, message] of cases)
    t.throws(() => compileTemplate(template)(VALUE), { code: 'USAGE', message }, template);
});

t.test('formatRows knows "table" and "json"', async (t) => {
  const rows = [{ ID: 'x', Size: '1B' }];
  t.equal(
    formatRows('table {{.ID}}\\t{{.Size}}', rows, { ID: 'IMAGE ID', Size: 'SIZE' }),
    'IMAGE ID    SIZE\nx           1B\n',
  );
  t.equal(formatRows('json', rows, {}), '{"ID":"x","Size":"1B"}\n');
  t.equal(formatRows('{{.ID}}', rows, {}), 'x\n');
});
