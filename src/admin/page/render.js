// Elements as data, and the least change to the document that shows them: focus, selection and scrolling stay where they
// are when new figures come. Text only ever becomes text, and no attribute here holds a URL or a script out of data.

const SVG = 'http://www.w3.org/2000/svg';

// h('p', { class: 'note' }, 'text', h('b', {}, 1)); what is null, undefined or false is left out.
function h(tag, attributes, ...children) {
  const shown = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  return { tag, attributes: attributes ?? {}, children: shown };
}

// Makes the children of `parent` what `wanted` says.
function patch(parent, wanted) {
  wanted.forEach((child, at) => {
    const present = parent.childNodes[at];
    if (typeof child !== 'object') {
      patchText(parent, present, String(child));
    } else if (present?.nodeType === Node.ELEMENT_NODE && present.localName === child.tag && keyOf(present) === child.attributes.key) {
      patchElement(present, child);
    } else {
      const made = create(parent, child);
      present ? parent.replaceChild(made, present) : parent.appendChild(made);
    }
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

function patchText(parent, present, text) {
  if (present?.nodeType === Node.TEXT_NODE) {
    if (present.data !== text) present.data = text;
  } else {
    const made = document.createTextNode(text);
    present ? parent.replaceChild(made, present) : parent.appendChild(made);
  }
}

function patchElement(element, { attributes, children }) {
  const wanted = Object.entries(attributes).filter(([name, value]) => name !== 'key' && value !== undefined && value !== false);
  for (const { name } of [...element.attributes]) {
    if (name !== 'data-key' && !wanted.some(([kept]) => kept === name)) element.removeAttribute(name);
  }
  for (const [name, value] of wanted) {
    const text = value === true ? '' : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
  patch(element, children);
}

function create(parent, wanted) {
  const isSvg = wanted.tag === 'svg' || (parent.namespaceURI === SVG && parent.localName !== 'foreignObject');
  const element = isSvg ? document.createElementNS(SVG, wanted.tag) : document.createElement(wanted.tag);
  if (wanted.attributes.key !== undefined) element.dataset.key = wanted.attributes.key;
  patchElement(element, wanted);
  return element;
}

function keyOf(element) {
  return element.dataset.key;
}
