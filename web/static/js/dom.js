// Building elements without markup in strings (the page forbids it: require-trusted-types-for).

const SVG = 'http://www.w3.org/2000/svg';
const sprite = new URL('../icons.svg', import.meta.url).pathname;

/**
 * @param {string} tag @param {string} [className] @param {(Node|string)[]} [children]
 * @returns {HTMLElement}
 */
export function make(tag, className = '', children = []) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** @param {string} name @param {string} [size] @returns {SVGElement} decorative */
export function icon(name, size = '') {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', `i ${size}`.trim());
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `${sprite}#${name}`);
  svg.append(use);
  return svg;
}
