"""An accessibility audit of an open page: the rules of WCAG 2.2 AA that a machine can judge, in one script."""

from __future__ import annotations

from playwright.sync_api import Page

_SCRIPT = r"""
() => {
  const found = [];
  const say = (rule, node, more = '') => found.push(`${rule}: ${node.outerHTML?.slice(0, 90) ?? ''} ${more}`.trim());
  const shown = (node) => {
    const style = getComputedStyle(node);
    const box = node.getBoundingClientRect();
    return style.visibility !== 'hidden' && style.display !== 'none' && box.width > 1 && box.height > 1;
  };
  const rgb = (text) => { const m = text.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== 'none') return null;
      const colour = rgb(style.backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const nameOf = (node) => {
    const by = node.getAttribute('aria-labelledby');
    const label = node.id ? document.querySelector(`label[for="${node.id}"]`) : null;
    const text = by ? by.split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ')
      : node.getAttribute('aria-label') ?? label?.textContent ?? node.closest('label')?.textContent ?? node.textContent;
    return (text ?? '').trim();
  };
  if (!document.documentElement.lang) say('html-has-lang', document.documentElement);
  if (!document.title.trim()) say('document-title', document.head);
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push(`duplicate-id: ${id}`);
  if (document.querySelectorAll('main').length !== 1) say('landmark-one-main', document.body);
  if (document.querySelectorAll('h1').length !== 1) say('page-has-heading-one', document.body);
  let level = 0;
  for (const node of document.querySelectorAll('h1,h2,h3,h4')) {
    if (Number(node.tagName[1]) > level + 1) say('heading-order', node);
    level = Number(node.tagName[1]);
  }
  for (const node of document.querySelectorAll('a,button,input:not([type=hidden]),select,textarea')) {
    if (!shown(node)) continue;
    if (!nameOf(node)) say('control-name', node);
    const box = node.getBoundingClientRect();
    const area = node.closest('.site')?.getBoundingClientRect() ?? box;
    if (!node.classList.contains('vh') && (area.width < 24 || area.height < 24)) say('target-size', node);
  }
  for (const node of document.querySelectorAll('[role=img]')) if (!node.getAttribute('aria-label')) say('role-img-alt', node);
  for (const node of document.querySelectorAll('svg')) if (node.getAttribute('aria-hidden') !== 'true' && !node.getAttribute('aria-label') && !node.closest('[aria-hidden=true]')) say('svg-alt', node);
  for (const node of document.querySelectorAll('ul,ol')) for (const child of node.children) if (child.tagName !== 'LI') say('list', child);
  for (const node of document.querySelectorAll('dl')) for (const child of node.children) if (!['DT', 'DD', 'DIV'].includes(child.tagName)) say('definition-list', child);
  for (const node of document.querySelectorAll('th')) if (!node.scope) say('th-scope', node);
  for (const node of document.querySelectorAll('[aria-labelledby],[aria-describedby]'))
    for (const id of `${node.getAttribute('aria-labelledby') ?? ''} ${node.getAttribute('aria-describedby') ?? ''}`.trim().split(/\s+/))
      if (!document.getElementById(id)) say('aria-valid-reference', node, id);
  for (const node of document.querySelectorAll('[tabindex]')) if (Number(node.tabIndex) > 0) say('tabindex', node);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    if (!text.data.trim() || !shown(node) || node.closest('script,style,template,.vh')) continue;
    const style = getComputedStyle(node), back = behind(node);
    if (!back) continue;
    const [a, b] = [light(rgb(style.color)), light(back)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) say('color-contrast', node, ratio.toFixed(2));
  }
  for (const node of document.querySelectorAll('.sites .pip')) {
    const colour = rgb(getComputedStyle(node).backgroundColor), back = behind(node.parentElement);
    const [a, b] = [light(colour), light(back)].sort((x, y) => y - x);
    const kind = node.classList.contains('good');
    if ((a + 0.05) / (b + 0.05) < (kind ? 1.5 : 3)) say('non-text-contrast', node, ((a + 0.05) / (b + 0.05)).toFixed(2));
  }
  return [...new Set(found)];
}
"""


def audit(page: Page) -> list[str]:
    """Return what breaks a rule, empty if nothing does."""
    return list(page.evaluate(_SCRIPT))
