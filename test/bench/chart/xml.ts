/** An element of an XML document. */
export interface Xml {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: Xml[];
  /** The text directly in it. */
  text: string;
}

const NAME = '[A-Za-z_][\\w.:-]*';
const TAG = new RegExp(`<(/?)(${NAME})((?:\\s+${NAME}="[^"<]*")*)\\s*(/?)>|<`, 'g');
const ATTRIBUTE = new RegExp(`(${NAME})="([^"]*)"`, 'g');
const ENTITY = /&(amp|lt|gt|quot);|&/g;
const PLAIN: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };

/**
 * Reads a document of elements, attributes and text, such as the charts are.
 *
 * @throws for anything that is not well-formed XML: tags that do not match, attributes given twice, characters that must be escaped
 */
export function parseXml(source: string): Xml {
  const root: Xml = { name: '', attributes: new Map(), children: [], text: '' };
  const open = [root];
  let read = 0;
  for (const match of source.matchAll(TAG)) {
    const inside = open.at(-1) ?? root;
    inside.text += plain(source.slice(read, match.index));
    read = match.index + match[0].length;
    const [tag, closes, name, given = '', empty] = match;
    if (name === undefined) throw new Error(`no tag at ${match.index}: ${source.slice(match.index, match.index + 40)}`);
    if (closes === '/') {
      if (open.pop()?.name !== name) throw new Error(`${tag} closes ${inside.name}`);
      continue;
    }
    const attributes = new Map<string, string>();
    for (const [, key = '', value = ''] of given.matchAll(ATTRIBUTE)) {
      if (attributes.has(key)) throw new Error(`${tag}: ${key} twice`);
      attributes.set(key, plain(value));
    }
    const element: Xml = { name, attributes, children: [], text: '' };
    inside.children.push(element);
    if (empty !== '/') open.push(element);
  }
  const [only, ...more] = root.children;
  if (open.length !== 1) throw new Error(`${open.at(-1)?.name ?? ''} is not closed`);
  if (only === undefined || more.length > 0 || (root.text + source.slice(read)).trim() !== '') {
    throw new Error('a document is one element');
  }
  return only;
}

function plain(text: string): string {
  return text.replace(ENTITY, (entity, name?: string) => {
    if (name === undefined) throw new Error(`${entity} is not escaped: ${text}`);
    return PLAIN[name] ?? '';
  });
}

/** All elements in one, itself included, that have a class. */
export function withClass(xml: Xml, name: string): Xml[] {
  const own = xml.attributes.get('class')?.split(' ').includes(name) === true ? [xml] : [];
  return [...own, ...xml.children.flatMap((child) => withClass(child, name))];
}
