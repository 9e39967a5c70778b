// bench/RESULTS.md and results.svg: medians, the middle half, and each runtime as a multiple of the first.
import { cpus, release } from 'node:os';

export function quartiles(values = []) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part) => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
  return { low: at(0.25), median: at(0.5), high: at(0.75) };
}

/** results: row → column → values. */
export function table(title, results, columns, unit) {
  const rows = Object.keys(results).map((row) => [row, ...cells(results[row], columns)]);
  const head = [`${title}, ${unit}`, ...columns];
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('');
}

function cells(row, columns) {
  const base = quartiles(row[columns[0]]).median;
  return columns.map((column, index) => {
    const { low, median, high } = quartiles(row[column]);
    if (Number.isNaN(median)) return '–';
    const spread = low === high ? short(median) : `${short(median)} (${short(low)}–${short(high)})`;
    return index === 0 || Number.isNaN(base) ? spread : `${spread}, ${(median / base).toFixed(2)}×`;
  });
}

const short = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(2));

/** One group of bars a row, each as a multiple of the first column, which is 1. */
export function chart(results, columns) {
  const rows = Object.keys(results).filter((row) => quartiles(results[row][columns[0]]).median > 0);
  const bar = 12;
  const group = columns.length * bar + 14;
  const [left, width] = [220, 640];
  const factor = (row, column) => quartiles(results[row][column]).median / quartiles(results[row][columns[0]]).median;
  const factors = rows.flatMap((row) => columns.map((column) => factor(row, column))).filter((value) => value > 0);
  const scale = (width - left - 60) / Math.min(20, Math.max(1, ...factors));
  const colours = ['#3178c6', '#9dbde0', '#7a7a7a', '#c98a2b', '#5a9a5a', '#a05a9a'];
  const bars = rows.flatMap((row, r) =>
    columns.flatMap((column, c) => {
      const value = factor(row, column);
      if (!(value > 0)) return [];
      const y = 30 + r * group + c * bar;
      const length = Math.min(20, value) * scale;
      const box = `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar - 2}" fill="${colours[c]}"/>`;
      return [`${box}<text x="${(left + length + 4).toFixed(1)}" y="${y + 9}">${value.toFixed(2)}</text>`];
    }),
  );
  const names = rows.map((row, r) => `<text x="${left - 8}" y="${40 + r * group}" text-anchor="end">${row}</text>`);
  const legend = columns.map(
    (name, c) =>
      `<rect x="${10 + c * 120}" y="6" width="10" height="10" fill="${colours[c]}"/><text x="${24 + c * 120}" y="15">${name}</text>`,
  );
  const size = `width="${width}" height="${40 + rows.length * group}"`;
  const lines = [...legend, ...names, ...bars].join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="10">\n${lines}\n</svg>\n`;
}

export function machine() {
  const [cpu] = cpus();
  return `${cpus().length} × ${cpu?.model.trim()}, Linux ${release()}, Node ${process.version}`;
}
