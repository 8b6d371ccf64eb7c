/**
 * How lines look. Each has a colour of the palette by Okabe and Ito, which people tell apart however they see colours, a
 * shade of it for a dark background, and a marker, which says the same without colour.
 */
const lines = [
  { light: '#6b7280', dark: '#9ca3af', marker: 'M-4 -4H4V4H-4Z' },
  { light: '#0072b2', dark: '#56b4e9', marker: 'M0 -4.5A4.5 4.5 0 1 1 0 4.5A4.5 4.5 0 1 1 0 -4.5Z' },
  { light: '#008060', dark: '#2bc79b', marker: 'M0 -5L5 4H-5Z' },
  { light: '#b35900', dark: '#f0a13a', marker: 'M0 -5.5L5.5 0L0 5.5L-5.5 0Z' },
  { light: '#a3427a', dark: '#e08fbd', marker: 'M0 5L5 -4H-5Z' },
  { light: '#b3261e', dark: '#f28b82', marker: 'M-5 -2H-2V-5H2V-2H5V2H2V5H-2V2H-5Z' },
] as const;

/** The outline of each line's marker, around its point. */
export const markers: readonly string[] = lines.map(({ marker }) => marker);

const light = { background: '#ffffff', text: '#1f2328', faint: '#57606a', grid: '#d8dee4' };
const dark = { background: '#0d1117', text: '#e6edf3', faint: '#9da7b3', grid: '#30363d' };

function colours(theme: typeof light, shade: 'light' | 'dark'): string {
  return [
    `.background{fill:${theme.background}}`,
    `text{fill:${theme.text}}`,
    `.tick text,.label{fill:${theme.faint}}`,
    `.grid{stroke:${theme.grid}}`,
    `.axis{stroke:${theme.faint}}`,
    ...lines.map((line, index) => `.line-${index}{stroke:${line[shade]};fill:${line[shade]}}`),
  ].join('');
}

/** The chart's style sheet, with both themes. */
export const style = [
  'text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;stroke:none}',
  '.title{font-size:16px;font-weight:600}.heading{font-weight:600}',
  '.line{fill:none;stroke-width:2}.marker{stroke:none}.grid,.axis{fill:none;stroke-width:1}',
  colours(light, 'light'),
  `@media (prefers-color-scheme:dark){${colours(dark, 'dark')}}`,
].join('');
