"""What providers say that they served and billed: their exports, read and checked before anything is done with them."""
