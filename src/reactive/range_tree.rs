//! [`RangeTree`]: ranges in order, so that those which contain a key are found without looking at the others.

use std::{
    cmp::{Ordering, max},
    ops::Range,
};

use super::{
    sweep::{Budget, SweepPlace, first_outside},
    value_set::{Removal, ValueSet},
};
use crate::encoding::ByteRange;

/// A map from ranges to sets of values, as a balanced search tree in which every node knows how far its subtree reaches.
///
/// Cost: O(log n) to insert and remove, in the worst case and whatever the order of the ranges; finding the
/// ranges of a key takes O(log n) and at most as much again per range that it hits. Recursion is as deep as the tree is high, which is less
/// than 1.45 · log2(n + 2). Memory is reused, and given back when the tree is dropped.
///
/// Invariants:
/// - Nodes are in the order of their ranges, each range once; no value set is empty.
/// - The heights of a node's subtrees differ by one at most (an AVL tree: no random priorities that input could be
///   made to defeat, and no rebuilding).
/// - `furthest` names a node of the subtree whose range ends last.
/// - A place in `nodes` is in the tree or in `free`, never in both.
pub(super) struct RangeTree<V> {
    nodes: Vec<Node<V>>,
    free: Vec<u32>,
    root: Link,
}

/// The place of a node in the arena.
type Link = Option<u32>;

struct Node<V> {
    range: ByteRange,
    values: ValueSet<V>,
    left: Link,
    right: Link,
    /// The node of this subtree whose range ends last; naming it spares a copy of the end.
    furthest: u32,
    height: u8,
}

impl<V: Copy + Ord> RangeTree<V> {
    /// An empty tree; allocates nothing.
    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: None }
    }

    /// Whether there are no ranges.
    pub(super) const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Adds a value to a range; false if it is there already.
    pub(super) fn insert(&mut self, range: ByteRange, value: V) -> bool {
        let (root, is_new) = self.insert_below(self.root, range, value);
        self.root = Some(root);
        is_new
    }

    /// Removes a value from a range; false if it is not there.
    pub(super) fn remove(&mut self, range: &ByteRange, value: V) -> bool {
        let (root, removal) = self.remove_below(self.root, range, value);
        self.root = root;
        removal != Removal::Absent
    }

    /// Calls `hit` with every value of every range that contains some of `keys[span]`, once for each, and with the
    /// positions of those keys. `keys` are sorted. Starts at `place`; returns false if the budget ended before the
    /// sweep, and `place` is where it goes on.
    ///
    /// Cost: what separate stabs would visit, but every range once, and a binary search among the keys for each.
    pub(super) fn sweep(
        &self,
        keys: &[&[u8]],
        span: Range<usize>,
        place: &mut SweepPlace<V>,
        budget: &mut Budget,
        hit: &mut dyn FnMut(V, Range<usize>),
    ) -> bool {
        self.sweep_below(self.root, keys, span, place, budget, hit)
    }

    fn sweep_below(
        &self,
        link: Link,
        keys: &[&[u8]],
        span: Range<usize>,
        place: &mut SweepPlace<V>,
        budget: &mut Budget,
        hit: &mut dyn FnMut(V, Range<usize>),
    ) -> bool {
        let Some(node) = link.map(|place| self.node(place)) else { return true };
        let reached = first_outside(keys, &span, |key| self.node(node.furthest).range.end().is_after(key));
        if reached == span.start {
            return true;
        }
        let started = first_outside(keys, &(span.start..reached), |key| key < node.range.start());
        let progress = place.range.as_ref().map_or(Ordering::Greater, |at| node.range.cmp(at));
        if progress == Ordering::Greater && !self.sweep_below(node.left, keys, span.start..reached, place, budget, hit)
        {
            return false;
        }
        if progress != Ordering::Less {
            let inside = started..first_outside(keys, &(started..reached), |key| node.range.end().is_after(key));
            place.range = None;
            if progress == Ordering::Greater {
                // What was hit last belongs to a range that is not there any more.
                place.value = None;
            }
            if !budget.take() || !(inside.is_empty() || place.emit(&node.values, &inside, budget, hit)) {
                place.range = Some(node.range.clone());
                return false;
            }
            place.value = None;
        }
        self.sweep_below(node.right, keys, started..reached, place, budget, hit)
    }

    /// Answers the new root of the subtree, and whether the value is new.
    fn insert_below(&mut self, link: Link, range: ByteRange, value: V) -> (u32, bool) {
        let Some(place) = link else { return (self.allocate(range, value), true) };
        let node = self.node_mut(place);
        let is_new = match range.cmp(&node.range) {
            Ordering::Equal => return (place, node.values.insert(value)),
            Ordering::Less => {
                let left = node.left;
                let (child, is_new) = self.insert_below(left, range, value);
                self.node_mut(place).left = Some(child);
                is_new
            }
            Ordering::Greater => {
                let right = node.right;
                let (child, is_new) = self.insert_below(right, range, value);
                self.node_mut(place).right = Some(child);
                is_new
            }
        };
        (self.rebalance(place), is_new)
    }

    /// Answers the new root of the subtree, and what came of it.
    fn remove_below(&mut self, link: Link, range: &ByteRange, value: V) -> (Link, Removal) {
        let Some(place) = link else { return (None, Removal::Absent) };
        let node = self.node_mut(place);
        let removal = match range.cmp(&node.range) {
            Ordering::Equal => {
                let removal = node.values.remove(value);
                let root = if removal == Removal::Emptied { self.detach(place) } else { link };
                return (root, removal);
            }
            Ordering::Less => {
                let left = node.left;
                let (child, removal) = self.remove_below(left, range, value);
                self.node_mut(place).left = child;
                removal
            }
            Ordering::Greater => {
                let right = node.right;
                let (child, removal) = self.remove_below(right, range, value);
                self.node_mut(place).right = child;
                removal
            }
        };
        let root = if removal == Removal::Emptied { self.rebalance(place) } else { place };
        (Some(root), removal)
    }

    /// Takes a node out of the root of its subtree and frees it. Answers the new root.
    fn detach(&mut self, place: u32) -> Link {
        let node = self.node_mut(place);
        let (left, right) = (node.left.take(), node.right.take());
        // The place waits for its next range without holding on to the memory of this one.
        node.range = ByteRange::between(&[], &[]);
        self.free.push(place);
        let Some(right) = right else { return left };
        let (least, rest) = self.take_least(right);
        let node = self.node_mut(least);
        node.left = left;
        node.right = rest;
        Some(self.rebalance(least))
    }

    /// Unlinks the first node of a subtree. Answers it, and the new root of what is left.
    fn take_least(&mut self, place: u32) -> (u32, Link) {
        let node = self.node_mut(place);
        let Some(left) = node.left else { return (place, node.right.take()) };
        let (least, rest) = self.take_least(left);
        self.node_mut(place).left = rest;
        (least, Some(self.rebalance(place)))
    }

    /// Restores the invariants of a node whose subtrees are sound and differ in height by two at most. Answers the new
    /// root.
    fn rebalance(&mut self, place: u32) -> u32 {
        let (left, right) = (self.node(place).left, self.node(place).right);
        match (left, right) {
            (Some(left), _) if self.height(Some(left)) > self.height(right) + 1 => {
                if self.height(self.node(left).left) < self.height(self.node(left).right) {
                    self.node_mut(place).left = Some(self.rotate_left(left));
                }
                self.rotate_right(place)
            }
            (_, Some(right)) if self.height(Some(right)) > self.height(left) + 1 => {
                if self.height(self.node(right).right) < self.height(self.node(right).left) {
                    self.node_mut(place).right = Some(self.rotate_right(right));
                }
                self.rotate_left(place)
            }
            _ => {
                self.update(place);
                place
            }
        }
    }

    /// Puts the right child of a node above it. Without one, does nothing.
    fn rotate_left(&mut self, place: u32) -> u32 {
        let Some(raised) = self.node(place).right else { return place };
        self.node_mut(place).right = self.node(raised).left;
        self.node_mut(raised).left = Some(place);
        self.update(place);
        self.update(raised);
        raised
    }

    /// Puts the left child of a node above it. Without one, does nothing.
    fn rotate_right(&mut self, place: u32) -> u32 {
        let Some(raised) = self.node(place).left else { return place };
        self.node_mut(place).left = self.node(raised).right;
        self.node_mut(raised).right = Some(place);
        self.update(place);
        self.update(raised);
        raised
    }

    /// Brings a node's height and reach in line with its children's.
    fn update(&mut self, place: u32) {
        let (left, right) = (self.node(place).left, self.node(place).right);
        let mut furthest = place;
        for child in [left, right].into_iter().flatten() {
            let candidate = self.node(child).furthest;
            if self.node(candidate).range.end() > self.node(furthest).range.end() {
                furthest = candidate;
            }
        }
        let height = 1 + max(self.height(left), self.height(right));
        let node = self.node_mut(place);
        node.height = height;
        node.furthest = furthest;
    }

    fn allocate(&mut self, range: ByteRange, value: V) -> u32 {
        let values = ValueSet::One(value);
        if let Some(place) = self.free.pop() {
            *self.node_mut(place) = Node { range, values, left: None, right: None, furthest: place, height: 1 };
            return place;
        }
        let place = u32::try_from(self.nodes.len()).expect("four billion ranges do not fit in memory");
        self.nodes.push(Node { range, values, left: None, right: None, furthest: place, height: 1 });
        place
    }

    fn height(&self, link: Link) -> u8 {
        link.map_or(0, |place| self.node(place).height)
    }

    fn node(&self, place: u32) -> &Node<V> {
        &self.nodes[place as usize]
    }

    fn node_mut(&mut self, place: u32) -> &mut Node<V> {
        &mut self.nodes[place as usize]
    }
}

#[cfg(test)]
mod tests;
