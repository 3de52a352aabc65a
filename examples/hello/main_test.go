package main

func Example() {
	main()
	// Output:
	// INSTANCE_NOT_FOUND (1003): no instance of "hello"
	// NotFound map[function:hello] HIGHER_LEVEL after 100ms
	// 找不到实例。 检查用例是否被正常申请扩容。
}
