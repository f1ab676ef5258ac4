//! [`RangeTree`]: ranges in order, so that those which contain a key are found without looking at the others.

use std::cmp::{Ordering, max};

use super::{
    byte_range::ByteRange,
    value_set::{Removal, ValueSet},
};

/// A map from ranges to sets of values, as a balanced search tree in which every node knows how far its subtree reaches.
///
/// Cost: O(log n) to insert and remove, in the worst case and whatever the order of the ranges; a stab takes
/// O(log n) and at most as much again per range that it hits. Recursion is as deep as the tree is high, which is less
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

    /// Calls `hit` with every value of every range that contains `key`, in the order of the ranges.
    pub(super) fn stab(&self, key: &[u8], hit: &mut dyn FnMut(V)) {
        self.stab_below(self.root, key, hit);
    }

    fn stab_below(&self, link: Link, key: &[u8], hit: &mut dyn FnMut(V)) {
        let mut link = link;
        while let Some(place) = link {
            let node = self.node(place);
            if !self.node(node.furthest).range.end().is_after(key) {
                return;
            }
            if node.range.start() > key {
                link = node.left;
                continue;
            }
            self.stab_below(node.left, key, hit);
            if node.range.end().is_after(key) {
                node.values.for_each(hit);
            }
            link = node.right;
        }
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
mod tests {
    use super::*;

    fn range(start: u32, end: u32) -> ByteRange {
        ByteRange::between(&start.to_be_bytes(), &end.to_be_bytes())
    }

    fn hits(tree: &RangeTree<u32>, key: u32) -> Vec<u32> {
        let mut hits = Vec::new();
        tree.stab(&key.to_be_bytes(), &mut |value| hits.push(value));
        hits
    }

    /// Holds every invariant against the nodes below `link`; answers how many there are.
    fn check(tree: &RangeTree<u32>, link: Link) -> usize {
        let Some(place) = link else { return 0 };
        let node = tree.node(place);
        let children = [node.left, node.right];
        let [left, right] = children.map(|child| tree.height(child));
        assert!(left.abs_diff(right) <= 1, "the subtrees are {left} and {right} high");
        assert_eq!(node.height, 1 + left.max(right));
        let mut reach = node.range.end();
        for child in children.into_iter().flatten().map(|child| tree.node(child)) {
            reach = reach.max(tree.node(child.furthest).range.end());
        }
        assert_eq!(tree.node(node.furthest).range.end(), reach);
        assert!(node.left.is_none_or(|left| tree.node(left).range < node.range));
        assert!(node.right.is_none_or(|right| tree.node(right).range > node.range));
        assert!(!tree.free.contains(&place));
        1 + check(tree, node.left) + check(tree, node.right)
    }

    fn assert_sound(tree: &RangeTree<u32>) {
        let nodes = check(tree, tree.root);
        assert_eq!(nodes + tree.free.len(), tree.nodes.len(), "a node is lost");
    }

    #[test]
    fn ranges_in_ascending_order_do_not_unbalance_the_tree() {
        let mut tree = RangeTree::new();
        for number in 0..1_000 {
            tree.insert(range(number, number + 10), number);
            assert_sound(&tree);
        }
        assert!(tree.height(tree.root) <= 14);
        assert_eq!(hits(&tree, 500), (491..=500).collect::<Vec<_>>());
    }

    #[test]
    fn removing_in_any_order_keeps_the_tree_sound() {
        let mut tree = RangeTree::new();
        let scattered = |number: u32| number * 37 % 500;
        for number in 0..500 {
            tree.insert(range(number, number + 1 + number % 7), number);
        }
        for number in (0..500).map(scattered) {
            assert!(tree.remove(&range(number, number + 1 + number % 7), number));
            assert_sound(&tree);
        }
        assert!(tree.is_empty());
    }

    #[test]
    fn the_places_of_removed_ranges_are_used_again() {
        let mut tree = RangeTree::new();
        for round in 0..10 {
            for number in 0..100 {
                tree.insert(range(number, number + round + 1), number);
            }
            for number in 0..100 {
                tree.remove(&range(number, number + round + 1), number);
            }
        }
        assert_eq!(tree.nodes.len(), 100);
        assert!(tree.nodes.iter().all(|node| node.range.start().is_empty()));
    }

    #[test]
    fn a_range_that_keeps_another_value_stays() {
        let mut tree = RangeTree::new();
        tree.insert(range(1, 5), 1);
        tree.insert(range(1, 5), 2);
        assert_eq!(tree.nodes.len(), 1);
        assert!(tree.remove(&range(1, 5), 1));
        assert_eq!(hits(&tree, 4), [2]);
        assert!(!tree.remove(&range(1, 5), 1) && !tree.remove(&range(1, 6), 2));
    }

    #[test]
    fn a_short_range_does_not_hide_a_long_one_that_starts_before_it() {
        let mut tree = RangeTree::new();
        for number in 0..100 {
            tree.insert(range(number, number + 1), number);
        }
        tree.insert(range(0, 1_000), 1_000);
        tree.insert(ByteRange::starting_at(&50u32.to_be_bytes()), 2_000);
        assert_eq!(hits(&tree, 999), [1_000, 2_000]);
        assert_eq!(hits(&tree, u32::MAX), [2_000]);
        assert_eq!(hits(&tree, 50), [1_000, 50, 2_000]);
    }
}
